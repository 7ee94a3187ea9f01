//! Pure rules: no async, no IO, time passed in.

pub mod following;
pub mod lifecycle;
pub mod opening;
pub mod shop;
