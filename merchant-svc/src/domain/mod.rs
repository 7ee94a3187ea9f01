//! Pure rules: no async, no IO; the current time is a parameter.

pub mod following;
pub mod lifecycle;
pub mod opening;
pub mod shop;
