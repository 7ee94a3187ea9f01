//! Where riders are, exactly: soft state in Redis, rebuilt from their next positions.
//!
//! The unit of keys is the H3 cell ([`crate::domain::cells`]). An empty answer means that nothing is known, never that there
//! are no riders: the caller has PostgreSQL's coarse positions beside it.

mod connection;
mod keys;
mod reach;
mod search;
mod server;
mod write;

pub mod positions;

pub use self::connection::{Fleet, Unavailable};
pub use self::positions::{PositionQueue, PositionWriter};
pub use self::search::NearbyRider;
pub use self::write::Fix;
