//! All SQL of this service: loads, conditional writes, and the event of every change.

pub mod copies;
pub mod orders;
pub mod payments;
pub mod progress;
pub mod quotes;
pub mod schema;
pub mod zones;
