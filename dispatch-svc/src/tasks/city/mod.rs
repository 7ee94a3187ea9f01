//! What the dispatcher plans with: deliveries that have not ended, riders on shift, open offers and zones, kept in memory,
//! and the riders' positions.

mod cache;
mod changes;
mod positions;
mod snapshot;
mod state;

pub use self::cache::{CityCache, CityView};
pub use self::snapshot::EngineInput;
pub use self::state::CityState;
