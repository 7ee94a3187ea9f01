//! The benchmark on days of the Meal Delivery Routing Problem library: a virtual clock drives the engine over an
//! instance; what comes out is checked, measured and written in the format of the library's own evaluator.

pub mod check;
pub mod day;
#[cfg(test)]
mod example;
pub mod files;
mod knowledge;
pub mod metrics;
pub mod report;
pub mod run;
pub mod solution;
pub mod stories;
pub mod summary;
