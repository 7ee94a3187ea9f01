//! The benchmark on days of the Meal Delivery Routing Problem library: a virtual clock drives the engine over an
//! instance; what comes out is checked, measured and written in the format of the library's own evaluator.

pub mod check;
#[cfg(test)]
mod example;
pub mod files;
pub mod metrics;
pub mod solution;
