//! Pure rules: no async, no IO, time passed in.

pub mod following;
pub mod lifecycle;
pub mod pin;
pub mod pricing;
pub mod zones;
