//! The input of the engine: everything it may know, at one moment of one zone.

use pannier_contracts::{DeliveryId, MerchantId, RiderId};
use serde::{Deserialize, Serialize};

use crate::travel::{Point, TravelModel};

/// One moment of one zone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// The present, milliseconds since 1970. The engine reads no other clock.
    pub now_ms: i64,
    /// How distances become times, and how long stops take.
    pub travel: TravelModel,
    /// Deliveries that are not picked up, in any order: those that want a rider, and those whose rider has not taken the
    /// food yet.
    pub deliveries: Vec<Delivery>,
    /// Riders who might take one, in any order. Of a rider who is listed twice, the newest position counts.
    pub riders: Vec<Rider>,
    /// The orders to be expected.
    pub forecast: Forecast,
    /// The routes of the plan before: the start of the search. May be empty; the search then starts from nothing.
    pub previous: Vec<Route>,
}

/// An order that wants a rider, or has one who has not taken the food yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The delivery's id.
    pub id: DeliveryId,
    /// The shop. Only deliveries of one shop can share a trip.
    pub shop: MerchantId,
    /// The shop's counter.
    pub pickup: Point,
    /// The customer's door.
    pub dropoff: Point,
    /// When the food will be ready.
    pub ready: Ready,
    /// The time promised to the customer, milliseconds since 1970.
    pub promise_at_ms: i64,
    /// When dispatch heard of it, milliseconds since 1970.
    pub opened_at_ms: i64,
    /// Riders who declined it in this attempt, or let their offer expire. They are not asked again.
    pub excluded: Vec<RiderId>,
    /// How many more offers of it may be made; 0 when it has a rider or enough offers are open.
    pub offers_wanted: u32,
    /// Riders who have an open offer of it.
    pub offered_to: Vec<RiderId>,
}

/// When food will be ready: one or several times that are equally likely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ready(Vec<i64>);

impl Ready {
    /// A known time, milliseconds since 1970.
    #[must_use]
    pub fn at(ms: i64) -> Self {
        Self(vec![ms])
    }

    /// Equally likely times in any order, milliseconds since 1970. An empty list is the time 0.
    #[must_use]
    pub fn any_of(times_ms: &[i64]) -> Self {
        let mut times = times_ms.to_vec();
        times.sort_unstable();
        if times.is_empty() { Self::at(0) } else { Self(times) }
    }

    /// The equally likely times, sorted, at least one, milliseconds since 1970.
    #[must_use]
    pub fn times_ms(&self) -> &[i64] {
        &self.0
    }

    /// Their mean, milliseconds since 1970.
    #[must_use]
    pub fn mean_ms(&self) -> i64 {
        let first = self.0.first().copied().unwrap_or(0);
        let beyond: i64 = self.0.iter().map(|t| t.saturating_sub(first)).fold(0, i64::saturating_add);
        first.saturating_add(beyond / i64::try_from(self.0.len().max(1)).unwrap_or(1))
    }
}

/// A rider who might take a delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rider {
    /// The rider's id.
    pub id: RiderId,
    /// The newest position.
    pub place: Point,
    /// The age of that position, milliseconds.
    pub fix_age_ms: i64,
    /// Usual speed, metres per second.
    pub speed_mps: f64,
    /// On shift and taking offers.
    pub available: bool,
    /// Marked as silent by dispatch-svc.
    pub stale: bool,
    /// Orders that the rider carries or has accepted, plus open offers.
    pub load: u32,
    /// The most that `load` may be.
    pub capacity: u32,
    /// When the rider is done with everything that cannot be changed any more, milliseconds since 1970; in the past for
    /// a rider who is idle. For a rider on the way to a counter or at one: the time of arrival there.
    pub free_at_ms: i64,
    /// Where the rider is at `free_at_ms`.
    pub free_place: Point,
    /// The shop whose counter `free_place` is; `None` anywhere else.
    pub at_counter: Option<MerchantId>,
    /// Trips accepted and not picked up, in sequence. Deliveries of the same shop may be added to them.
    pub committed: Vec<Trip>,
    /// The rider picks nothing up after this, milliseconds since 1970.
    pub shift_end_ms: i64,
    /// Since when the rider has been idle, milliseconds since 1970. Without meaning while `load` is above 0.
    pub idle_since_ms: i64,
    /// Accepted offers, of a thousand.
    pub acceptance_permille: u32,
    /// Rating: 1,000 is the best.
    pub rating_permille: u32,
}

/// A ride to one counter and from there to the customers' doors.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Trip {
    /// The shop.
    pub shop: MerchantId,
    /// The deliveries picked up there, in the sequence of the drop-offs.
    pub deliveries: Vec<DeliveryId>,
}

/// The trips of one rider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The rider.
    pub rider: RiderId,
    /// The trips, in sequence.
    pub trips: Vec<Trip>,
}

/// The orders to be expected, from the orders of the recent past.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Forecast {
    /// The shops that customers order from, in any order.
    pub shops: Vec<ShopForecast>,
    /// Orders in the whole zone, per minute of the city.
    pub orders_per_minute: f64,
    /// Preparation times from the order on: equally likely durations, sorted, milliseconds.
    pub prep_times_ms: Vec<i64>,
    /// Riders on shift, including those whom the snapshot does not list.
    pub riders_on_shift: u32,
}

/// The orders to be expected at one shop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShopForecast {
    /// The shop.
    pub shop: MerchantId,
    /// Its counter.
    pub place: Point,
    /// Orders per minute of the city.
    pub orders_per_minute: f64,
}

impl Snapshot {
    /// The deliveries sorted by id, each id once.
    pub(crate) fn deliveries_by_id(&self) -> Vec<&Delivery> {
        let mut all: Vec<&Delivery> = self.deliveries.iter().collect();
        // Of two entries with one id the debug text decides, so that the order of the list does not.
        all.sort_by(|a, b| a.id.cmp(&b.id).then_with(|| debug_text(a).cmp(&debug_text(b))));
        all.dedup_by_key(|d| d.id);
        all
    }

    /// The riders sorted by id, each id once: the entry with the newest position.
    pub(crate) fn riders_by_id(&self) -> Vec<&Rider> {
        let mut all: Vec<&Rider> = self.riders.iter().collect();
        all.sort_by(|a, b| {
            a.id.cmp(&b.id)
                .then_with(|| a.fix_age_ms.cmp(&b.fix_age_ms))
                .then_with(|| debug_text(a).cmp(&debug_text(b)))
        });
        all.dedup_by_key(|r| r.id);
        all
    }

    /// The middle one of the riders' speeds, metres per second.
    pub(crate) fn median_speed_mps(&self) -> f64 {
        median_speed_mps(self.riders.iter())
    }
}

/// The middle one of these riders' speeds, metres per second; 5 without riders.
pub(crate) fn median_speed_mps<'a>(riders: impl Iterator<Item = &'a Rider>) -> f64 {
    let mut speeds: Vec<f64> = riders.map(|r| r.speed_mps).collect();
    speeds.sort_by(f64::total_cmp);
    speeds.get(speeds.len() / 2).copied().unwrap_or(5.0)
}

fn debug_text(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}
