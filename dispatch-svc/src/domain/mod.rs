//! The rules of dispatch: pure functions. They do no IO, and time is a parameter.

pub mod actions;
pub mod cells;
pub mod deadlines;
pub mod following;
pub mod lifecycle;
pub mod pin;
pub mod workload;
pub mod zone;
