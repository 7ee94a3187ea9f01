//! A rider. Owner: dispatch-svc; not published.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::{RiderId, Version};

text_enum! {
    /// Whether a rider gets offers.
    pub enum RiderStatus {
        /// Not on shift. Food that they have picked up stays theirs.
        Offline => "offline",
        /// On shift, gets offers.
        Available => "available",
        /// On shift, gets no new offers and finishes the deliveries that they have.
        Paused => "paused",
    }
}

/// The whole rider after a change. Positions are not part of it: they are kept in Redis and have no events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RiderSnapshot {
    /// The rider's id.
    pub id: RiderId,
    /// The rider's version after the change.
    pub version: Version,
    /// Whether the rider gets offers.
    pub status: RiderStatus,
    /// Sent no position for 60 s: gets no offers until the next one.
    pub stale: bool,
    /// The rider's name.
    pub name: String,
    /// `bicycle`, `scooter`, `car`.
    pub vehicle: String,
    /// The usual speed, metres per second.
    pub speed_mps: f64,
    /// The number of accepted offers that have not ended.
    pub active: i32,
    /// The most that `active` may be.
    pub capacity: i32,
}

impl Snapshot for RiderSnapshot {
    const AGGREGATE: &'static str = "rider";
    fn aggregate_id(&self) -> Uuid {
        self.id.0
    }
    fn version(&self) -> Version {
        self.version
    }
}
