//! Chooses a rider's next stop. Pure: no clock, no calls.

use chrono::{DateTime, TimeDelta, Utc};
use pannier_contracts::{DeliveryId, MerchantId, Place};

use super::jobs::{Job, Jobs, Stage};

/// A rider within this distance of a place has arrived, metres.
const ARRIVED_M: f64 = 30.0;

/// Where to go, and what for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stop {
    /// Collect all orders of this shop.
    Pickup(MerchantId, Place),
    /// Hand over one order.
    Dropoff(DeliveryId, Place),
    /// Bring one order back to its shop.
    Return(DeliveryId, Place),
}

/// The next stop of a rider who is `here`. Without collected orders: the shop with the earliest ready time. With collected
/// orders: this shop again, if another order of it is ready within `patience`; otherwise the nearest customer.
#[must_use]
pub fn next_stop(jobs: &Jobs, here: Place, now: DateTime<Utc>, patience: TimeDelta) -> Option<Stop> {
    let nearest = |a: &&Job, b: &&Job| {
        let metres = |j: &Job| here.distance_m(&target(j));
        metres(a).total_cmp(&metres(b)).then(a.id.cmp(&b.id))
    };
    let waiting = || jobs.iter().filter(|j| j.is_before_pickup());
    let Some(carried) = jobs.iter().filter(|j| !j.is_before_pickup()).min_by(nearest) else {
        return waiting().min_by_key(|j| (j.ready_at, j.id)).map(|j| Stop::Pickup(j.merchant, j.pickup));
    };
    let is_ready_soon = |j: &&Job| here.distance_m(&j.pickup) < ARRIVED_M && j.ready_at <= now + patience;
    if let Some(j) = waiting().filter(is_ready_soon).min_by_key(|j| (j.ready_at, j.id)) {
        return Some(Stop::Pickup(j.merchant, j.pickup));
    }
    Some(match carried.stage {
        Stage::Returning => Stop::Return(carried.id, carried.pickup),
        _ => Stop::Dropoff(carried.id, carried.dropoff),
    })
}

fn target(job: &Job) -> Place {
    match job.stage {
        Stage::Carried | Stage::AtDropoff => job.dropoff,
        Stage::ToPickup | Stage::AtPickup | Stage::Returning => job.pickup,
    }
}

#[cfg(test)]
mod tests {
    use pannier_contracts::RiderId;
    use pannier_contracts::delivery::DeliveryState;

    use super::*;
    use crate::bots::samples::{at, view};

    /// Jobs by (state, shop, minutes until ready, shop's x, customer's x); the stop by the number of its job.
    fn check(jobs: &[(DeliveryState, u128, i64, f64, f64)], here_x: f64, expected: Option<(&str, usize)>) {
        let rider = RiderId::generate();
        let now = Utc::now();
        let mut known = Jobs::of(rider);
        let mut ids = Vec::new();
        for (state, shop, ready, pickup, dropoff) in jobs {
            let mut v = view(rider, *state, 3);
            v.delivery.merchant_id = MerchantId(uuid::Uuid::from_u128(*shop));
            v.delivery.ready_at = now + TimeDelta::minutes(*ready);
            (v.pickup, v.dropoff) = (at(*pickup, 0.0), at(*dropoff, 0.0));
            ids.push((v.delivery.id, v.delivery.merchant_id));
            known.apply(&v);
        }
        let stop = next_stop(&known, at(here_x, 0.0), now, TimeDelta::minutes(3));
        let stop = stop.map(|s| match s {
            Stop::Pickup(m, _) => ("pickup", ids.iter().position(|i| i.1 == m).unwrap()),
            Stop::Dropoff(d, _) => ("dropoff", ids.iter().position(|i| i.0 == d).unwrap()),
            Stop::Return(d, _) => ("return", ids.iter().position(|i| i.0 == d).unwrap()),
        });
        assert_eq!(stop, expected, "{jobs:?} from {here_x}");
    }

    #[test]
    fn the_next_stop_follows_the_rules() {
        use DeliveryState::{Assigned, AtDropoff, AtPickup, PickedUp, Returning};
        check(&[], 0.0, None);
        check(&[(Assigned, 1, 9, 0.0, 500.0), (Assigned, 2, 4, 900.0, 500.0)], 0.0, Some(("pickup", 1)));
        // With a collected order: to the nearest customer, not to another shop.
        check(&[(PickedUp, 1, 0, 0.0, 900.0), (PickedUp, 1, 0, 0.0, 400.0)], 0.0, Some(("dropoff", 1)));
        check(&[(PickedUp, 1, 0, 0.0, 900.0), (Assigned, 2, 0, 200.0, 400.0)], 0.0, Some(("dropoff", 0)));
        // An order of this shop that is ready within the patience is collected first.
        check(&[(PickedUp, 1, 0, 0.0, 900.0), (AtPickup, 2, 2, 10.0, 400.0)], 0.0, Some(("pickup", 1)));
        check(&[(PickedUp, 1, 0, 0.0, 900.0), (AtPickup, 2, 8, 10.0, 400.0)], 0.0, Some(("dropoff", 0)));
        check(&[(AtDropoff, 1, 0, 0.0, 900.0), (Returning, 2, 0, 850.0, 400.0)], 900.0, Some(("dropoff", 0)));
        check(&[(Returning, 2, 0, 850.0, 400.0)], 900.0, Some(("return", 0)));
    }
}
