//! Somebody who carries. Owner: dispatch-svc, exchange `dispatch`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::{RiderId, Version};

text_enum! {
    /// Is the rider on shift?
    pub enum RiderStatus {
        /// Not on shift.
        Offline => "offline",
        /// On shift, takes offers.
        Available => "available",
        /// On shift, takes no new offers; finishes what is carried.
        Paused => "paused",
    }
}

/// The whole rider after a change. Positions are not part of it: they live in Redis and are never an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RiderSnapshot {
    /// Which rider.
    pub id: RiderId,
    /// Their version after the change.
    pub version: Version,
    /// On shift?
    pub status: RiderStatus,
    /// No position for too long: gets no offers.
    pub stale: bool,
    /// What they are called.
    pub name: String,
    /// `bicycle`, `scooter`, `car`.
    pub vehicle: String,
    /// How fast they usually go, metres per second.
    pub speed_mps: f64,
    /// Orders carried or about to be.
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
