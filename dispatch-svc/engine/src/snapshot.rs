//! What the engine looks at: everything it may know, at one moment.

use pannier_contracts::{DeliveryId, Place, RiderId};
use serde::{Deserialize, Serialize};

/// One moment of one zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The moment, milliseconds since 1970: the only clock the engine has.
    pub now_ms: i64,
    /// Every delivery that has no rider yet, in any order.
    pub deliveries: Vec<Delivery>,
    /// Every rider who might take one, in any order. If one is listed twice, the newest fix counts.
    pub riders: Vec<Rider>,
}

/// An order that wants a rider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Which delivery.
    pub id: DeliveryId,
    /// The shop's counter.
    pub pickup: Place,
    /// The customer's door.
    pub dropoff: Place,
    /// When the kitchen means to be done, milliseconds since 1970.
    pub ready_at_ms: i64,
    /// What the customer was promised, milliseconds since 1970.
    pub promise_at_ms: i64,
    /// Since when dispatch knows it, milliseconds since 1970.
    pub opened_at_ms: i64,
    /// Riders who declined it, or let their offer expire, in this attempt.
    pub excluded: Vec<RiderId>,
    /// How many more offers of it may be out.
    pub offers_wanted: u32,
    /// Riders who have an open offer of it.
    pub offered_to: Vec<RiderId>,
}

/// Somebody who might carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rider {
    /// Which rider.
    pub id: RiderId,
    /// Their newest fix.
    pub place: Place,
    /// How old that fix is, milliseconds.
    pub fix_age_ms: i64,
    /// How fast they usually go, metres per second.
    pub speed_mps: f64,
    /// On shift and taking offers?
    pub available: bool,
    /// Silent for too long?
    pub stale: bool,
    /// Orders they carry or are about to, plus open offers.
    pub load: u32,
    /// The most that `load` may be.
    pub capacity: u32,
    /// Where the orders they have still take them, in this order.
    pub stops: Vec<Place>,
    /// When they will be done with those, milliseconds since 1970; 0 when idle.
    pub busy_until_ms: i64,
    /// Since when they have had nothing to do, milliseconds since 1970. Means nothing while `load` is above 0.
    pub idle_since_ms: i64,
    /// How many of a thousand offers they accept.
    pub acceptance_permille: u32,
    /// Their rating: 1,000 is the best.
    pub rating_permille: u32,
}

impl Snapshot {
    /// The deliveries by id, each once.
    pub(crate) fn deliveries_by_id(&self) -> Vec<&Delivery> {
        let mut all: Vec<&Delivery> = self.deliveries.iter().collect();
        // The text only breaks the tie between two versions of one id, so that list order never decides.
        all.sort_by(|a, b| a.id.cmp(&b.id).then_with(|| text(a).cmp(&text(b))));
        all.dedup_by_key(|d| d.id);
        all
    }

    /// The riders by id, each once: their newest fix.
    pub(crate) fn riders_by_id(&self) -> Vec<&Rider> {
        let mut all: Vec<&Rider> = self.riders.iter().collect();
        all.sort_by(|a, b| {
            a.id.cmp(&b.id).then_with(|| a.fix_age_ms.cmp(&b.fix_age_ms)).then_with(|| text(a).cmp(&text(b)))
        });
        all.dedup_by_key(|r| r.id);
        all
    }
}

fn text(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}
