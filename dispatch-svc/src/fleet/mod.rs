//! Where riders are: soft state in Redis, rebuilt from their next pings.
//!
//! A *cell* is an H3 cell of resolution 7 (edges of about 1.4 km) and the unit of keys. An empty answer means "unknown",
//! never "no riders": whoever asks has PostgreSQL's coarse positions beside it.

pub mod cells;
pub mod keys;
pub mod locations;
pub mod redis;
pub mod search;

pub use locations::Locations;
pub use redis::Fleet;
