//! The row of a rider.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use pannier_contracts::rider::{RiderSnapshot, RiderStatus};
use pannier_contracts::{Place, RiderId, Version};

use crate::store::schema::riders;

/// A rider.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = riders)]
pub struct Rider {
    /// Their id.
    pub id: RiderId,
    /// Their name.
    pub name: String,
    /// Their vehicle, as they describe it.
    pub vehicle: String,
    /// Their usual speed, metres per second.
    pub speed_mps: f64,
    /// The most deliveries that they carry at once.
    pub capacity: i32,
    /// Whether they are on shift.
    pub status: RiderStatus,
    /// Silent for too long to be offered anything.
    pub stale: bool,
    /// Deliveries that they have accepted and not ended.
    pub active: i32,
    /// Offers that they have not answered. The table checks that `active + open_offers <= capacity`.
    pub open_offers: i32,
    /// Grows by one with every change that events announce; positions are none.
    pub version: Version,
    /// When they were last seen; at most ten seconds behind Redis.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Where they were last seen.
    pub last_place: Option<Place>,
    /// Since when they have carried nothing.
    pub idle_since: DateTime<Utc>,
    /// Offers that they accepted.
    pub offers_accepted: i64,
    /// Offers that they accepted, declined or let expire.
    pub offers_answered: i64,
}

/// Accepted offers that a new rider is credited with, so that few answers do not make an extreme rate.
const CREDITED_OFFERS: i64 = 10;

impl Rider {
    /// As events and other services show them.
    #[must_use]
    pub fn snapshot(&self) -> RiderSnapshot {
        RiderSnapshot {
            id: self.id,
            version: self.version,
            status: self.status,
            stale: self.stale,
            name: self.name.clone(),
            vehicle: self.vehicle.clone(),
            speed_mps: self.speed_mps,
            active: self.active,
            capacity: self.capacity,
        }
    }

    /// The share of offers that they accept, thousandths.
    #[must_use]
    pub fn acceptance_permille(&self) -> u32 {
        let permille =
            (self.offers_accepted + CREDITED_OFFERS) * 1_000 / (self.offers_answered + CREDITED_OFFERS).max(1);
        u32::try_from(permille.clamp(0, 1_000)).unwrap_or(1_000)
    }
}

/// The audience of events that a rider's stream shows.
#[must_use]
pub fn audience(rider: RiderId) -> String {
    format!("rider:{}", rider.0)
}
