//! Where a rider goes next. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use pannier_contracts::{DeliveryId, MerchantId, Place};

use super::jobs::{Job, Jobs, Stage};

/// Closer than this is there.
const THERE_M: f64 = 30.0;

/// The next stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stop {
    /// Everything that waits at this shop.
    Pickup(MerchantId, Place),
    /// One customer.
    Dropoff(DeliveryId, Place),
    /// Back to the shop with it.
    Return(DeliveryId, Place),
}

/// With food in the bag, the nearest door; before that, what else is or will soon be ready at the counter where one
/// stands. With an empty bag, the shop whose food is ready first.
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
    let soon = |j: &&Job| here.distance_m(&j.pickup) < THERE_M && j.ready_at <= now + patience;
    if let Some(j) = waiting().filter(soon).min_by_key(|j| (j.ready_at, j.id)) {
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
pub(super) mod tests {
    use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
    use pannier_contracts::{OrderId, RiderId, Version, ZoneId};

    use super::*;
    use pannier_client::DeliveryView;
    use pannier_instance::Point;

    fn at(x: f64, y: f64) -> Place {
        Point { x, y }.place().unwrap()
    }

    pub fn view(rider: RiderId, state: DeliveryState, version: i64) -> DeliveryView {
        let delivery = DeliverySnapshot {
            id: DeliveryId::generate(),
            version: Version(version),
            state,
            order_id: OrderId::generate(),
            merchant_id: MerchantId::generate(),
            zone_id: "harbour".parse::<ZoneId>().unwrap(),
            rider_id: Some(rider),
            attempt: 1,
            ready_at: DateTime::UNIX_EPOCH,
            picked_up_at: None,
            delivered_at: None,
            reason: None,
        };
        DeliveryView { delivery, pickup: at(0.0, 0.0), dropoff: at(1_000.0, 0.0) }
    }

    /// Jobs by (state, shop, minutes until ready, shop's x, customer's x); the stop by the number of its job.
    fn check(jobs: &[(DeliveryState, u128, i64, f64, f64)], here_x: f64, expected: Option<(&str, usize)>) {
        let me = RiderId::generate();
        let now = Utc::now();
        let mut known = Jobs::of(me);
        let mut ids = Vec::new();
        for (state, shop, ready, pickup, dropoff) in jobs {
            let mut v = view(me, *state, 3);
            v.delivery.merchant_id = MerchantId(uuid::Uuid::from_u128(*shop));
            v.delivery.ready_at = now + TimeDelta::minutes(*ready);
            (v.pickup, v.dropoff) = (at(*pickup, 0.0), at(*dropoff, 0.0));
            ids.push((v.delivery.id, v.delivery.merchant_id));
            known.learn(&v);
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
    fn the_next_stop_is_sensible() {
        use DeliveryState::{Assigned, AtDropoff, AtPickup, PickedUp, Returning};
        check(&[], 0.0, None);
        check(&[(Assigned, 1, 9, 0.0, 500.0), (Assigned, 2, 4, 900.0, 500.0)], 0.0, Some(("pickup", 1)));
        // Something in the bag: to the nearest door, not to another shop.
        check(&[(PickedUp, 1, 0, 0.0, 900.0), (PickedUp, 1, 0, 0.0, 400.0)], 0.0, Some(("dropoff", 1)));
        check(&[(PickedUp, 1, 0, 0.0, 900.0), (Assigned, 2, 0, 200.0, 400.0)], 0.0, Some(("dropoff", 0)));
        // … but what is ready at this counter comes along, if it does not take long.
        check(&[(PickedUp, 1, 0, 0.0, 900.0), (AtPickup, 2, 2, 10.0, 400.0)], 0.0, Some(("pickup", 1)));
        check(&[(PickedUp, 1, 0, 0.0, 900.0), (AtPickup, 2, 8, 10.0, 400.0)], 0.0, Some(("dropoff", 0)));
        check(&[(AtDropoff, 1, 0, 0.0, 900.0), (Returning, 2, 0, 850.0, 400.0)], 900.0, Some(("dropoff", 0)));
        check(&[(Returning, 2, 0, 850.0, 400.0)], 900.0, Some(("return", 0)));
    }
}
