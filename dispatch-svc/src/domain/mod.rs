//! Pure rules: no async, no IO, time is passed in.

pub mod actions;
pub mod deadlines;
pub mod lifecycle;
pub mod news;
pub mod pin;
pub mod route;
pub mod zone;
