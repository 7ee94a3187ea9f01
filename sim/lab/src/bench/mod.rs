//! The benchmark on days of the Meal Delivery Routing Problem library: [`simulation`] drives the engine over an
//! instance on a virtual clock, [`check`] validates the solution, [`metrics`] measures it, [`solution_files`] writes it
//! in the format of the library's evaluator, [`report`] draws it.

pub mod check;
mod clock;
pub mod explain;
#[cfg(test)]
mod fixture;
pub mod metrics;
pub mod report;
pub mod run;
pub mod simulation;
pub mod solution;
pub mod solution_files;
pub mod summary;
mod worst_orders;
