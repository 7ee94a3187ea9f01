//! A small flat city for tests: points in metres around a centre, riders at 5 m/s by default.
//! With the circuity of 1.3, a kilometre takes 260 s.

use pannier_contracts::zone::DispatchAlgorithm;
use pannier_contracts::{DeliveryId, MerchantId, RiderId};
use pannier_engine::{Decision, Delivery, Outcome, Point, Policy, Ready, Rider, Snapshot, plan};

pub const NOW: i64 = 1_700_000_000_000;
pub const MINUTE: i64 = 60_000;

pub fn dlv(n: u32) -> DeliveryId {
    format!("dlv_{n:032x}").parse().expect("an id")
}

pub fn rdr(n: u32) -> RiderId {
    format!("rdr_{n:032x}").parse().expect("an id")
}

pub fn shp(n: u32) -> MerchantId {
    format!("mer_{n:032x}").parse().expect("an id")
}

/// The point so many metres north and east of the centre.
pub fn at(north_m: i32, east_m: i32) -> Point {
    Point { x_m: f64::from(east_m), y_m: f64::from(north_m) }
}

/// A delivery from a shop of its own in the centre to a door 1 km north, ready in five minutes and promised in forty.
pub fn delivery(n: u32) -> Delivery {
    Delivery {
        id: dlv(n),
        shop: shp(n),
        pickup: at(0, 0),
        dropoff: at(1_000, 0),
        ready: Ready::at(NOW + 5 * MINUTE),
        promise_at_ms: NOW + 40 * MINUTE,
        opened_at_ms: NOW,
        excluded: vec![],
        offers_wanted: 1,
        offered_to: vec![],
    }
}

/// An idle rider so many metres east of the centre, with the best acceptance and rating.
pub fn rider(n: u32, east_m: i32) -> Rider {
    Rider {
        id: rdr(n),
        place: at(0, east_m),
        fix_age_ms: 1_000,
        speed_mps: 5.0,
        available: true,
        stale: false,
        load: 0,
        capacity: 2,
        free_at_ms: NOW,
        free_place: at(0, east_m),
        at_counter: None,
        committed: vec![],
        shift_end_ms: NOW + 600 * MINUTE,
        idle_since_ms: NOW,
        acceptance_permille: 1_000,
        rating_permille: 1_000,
    }
}

/// Puts an idle rider elsewhere.
pub fn put(rider: &mut Rider, place: Point) {
    (rider.place, rider.free_place) = (place, place);
}

pub fn now(deliveries: Vec<Delivery>, riders: Vec<Rider>) -> Snapshot {
    Snapshot { now_ms: NOW, deliveries, riders, ..Snapshot::default() }
}

pub fn greedy() -> Policy {
    Policy { algorithm: DispatchAlgorithm::Greedy, ..Policy::default() }
}

/// The decisions of `greedy`.
pub fn decide(deliveries: Vec<Delivery>, riders: Vec<Rider>) -> Vec<Decision> {
    plan(&now(deliveries, riders), &greedy()).decisions
}

/// A decision on one line: `offer 1 2`, `hold 90s would_wait`, `nobody nobody_fits`.
pub fn summary(decision: &Decision) -> String {
    match &decision.outcome {
        Outcome::Offer { riders } => {
            riders.iter().fold("offer".to_owned(), |line, chosen| format!("{line} {}", number(chosen.rider)))
        }
        Outcome::Hold { until_ms, reason } => format!("hold {}s {reason}", (until_ms - NOW) / 1_000),
        Outcome::Nobody { reason } => format!("nobody {reason}"),
    }
}

/// The number of a rider made by [`rdr`].
pub fn number(id: RiderId) -> u32 {
    u32::from_str_radix(&id.to_string()[4..], 16).expect("made by rdr()")
}

/// The candidates on one line: `1 open, 2 no_capacity`.
pub fn gates(decision: &Decision) -> String {
    let gate = |g: Option<pannier_engine::Gate>| g.map_or("open", |g| g.as_str());
    let lines: Vec<_> = decision.candidates.iter().map(|c| format!("{} {}", number(c.rider), gate(c.gate))).collect();
    lines.join(", ")
}
