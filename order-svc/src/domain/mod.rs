//! Pure rules: no async, no IO, time passed in.

pub mod deadlines;
pub mod following;
pub mod lifecycle;
pub mod pin;
pub mod pricing;
pub mod settlement;
pub mod text;
pub mod who_pays;
pub mod zones;
