//! What a rider still has to do: when and where they will have handed over the food they carry, and which accepted
//! deliveries they still have to fetch.

use std::collections::BTreeMap;

use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::{DeliveryId, MerchantId, Place};
use pannier_engine::{TravelModel, Trip, travel_ms};

/// What the workload of a rider depends on, for one of their deliveries.
#[derive(Debug, Clone, PartialEq)]
pub struct CarriedDelivery {
    /// The delivery.
    pub id: DeliveryId,
    /// The shop.
    pub shop: MerchantId,
    /// The state of the delivery.
    pub state: DeliveryState,
    /// When the state was entered, milliseconds since 1970.
    pub since_ms: i64,
    /// Where the shop is.
    pub pickup: Place,
    /// Where the customer is.
    pub dropoff: Place,
    /// The ready time that the shop stated last, milliseconds since 1970.
    pub ready_at_ms: i64,
}

impl CarriedDelivery {
    fn is_at_shop(&self) -> bool {
        matches!(self.state, DeliveryState::Assigned | DeliveryState::AtPickup)
    }
}

/// What a rider still has to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// When all food that they carry will be handed over, milliseconds since 1970. For a rider who waits at a counter
    /// and carries none: when they arrived there.
    pub free_at_ms: i64,
    /// Their place at that time.
    pub free_place: Place,
    /// The shop where they wait at the counter, if they carry no food.
    pub at_counter: Option<MerchantId>,
    /// The deliveries that are accepted and not picked up, one trip per shop.
    pub committed: Vec<Trip>,
}

/// The workload of a rider whose position is `from`. Assumes that riders first deliver what they carry, the nearest
/// door first, and then go to the shops: first to the one where they wait, then in the order of ready times. `travel`
/// has the service times at counters and doors.
#[must_use]
pub fn workload(
    deliveries: &[CarriedDelivery],
    from: Place,
    speed_mps: f64,
    now_ms: i64,
    travel: &TravelModel,
) -> Workload {
    let committed = committed(deliveries);
    let mut bag: Vec<&CarriedDelivery> = deliveries.iter().filter(|d| target(d).is_some()).collect();
    if bag.is_empty() {
        let shop = committed.first().map(|trip| trip.shop);
        let is_there = |d: &&CarriedDelivery| d.state == DeliveryState::AtPickup && Some(d.shop) == shop;
        if let Some(at) = deliveries.iter().filter(is_there).min_by_key(|d| (d.since_ms, d.id)) {
            let (free_at_ms, free_place) = (at.since_ms.min(now_ms), at.pickup);
            return Workload { free_at_ms, free_place, at_counter: shop, committed };
        }
        return Workload { free_at_ms: now_ms, free_place: from, at_counter: None, committed };
    }
    // Half of the service time at the counter lies after the pickup.
    let taken = bag.iter().filter(|d| d.state == DeliveryState::PickedUp).map(|d| d.since_ms + travel.counter_ms / 2);
    let (mut at_ms, mut at) = (taken.max().unwrap_or(now_ms).max(now_ms), from);
    while let Some(next) = nearest(&bag, at) {
        let delivery = bag.remove(next);
        let Some(place) = target(delivery) else { continue };
        at_ms = match delivery.state {
            DeliveryState::AtDropoff => (delivery.since_ms + travel.door_ms).max(at_ms),
            DeliveryState::Returning => at_ms + travel_ms(&at, &place, speed_mps) + travel.counter_ms,
            _ => at_ms + travel_ms(&at, &place, speed_mps) + travel.door_ms,
        };
        at = place;
    }
    Workload { free_at_ms: at_ms, free_place: at, at_counter: None, committed }
}

/// Where carried food goes. `None` for a delivery whose food the rider does not carry.
fn target(delivery: &CarriedDelivery) -> Option<Place> {
    match delivery.state {
        DeliveryState::PickedUp | DeliveryState::AtDropoff => Some(delivery.dropoff),
        DeliveryState::Returning => Some(delivery.pickup),
        _ => None,
    }
}

/// The index of the next delivery: the one at whose door the rider is, otherwise the one with the nearest target.
fn nearest(bag: &[&CarriedDelivery], at: Place) -> Option<usize> {
    let distance_m = |d: &CarriedDelivery| match d.state {
        DeliveryState::AtDropoff => 0.0,
        _ => target(d).map_or(f64::INFINITY, |place| place.distance_m(&at)),
    };
    (0..bag.len()).min_by(|a, b| distance_m(bag[*a]).total_cmp(&distance_m(bag[*b])).then(bag[*a].id.cmp(&bag[*b].id)))
}

fn committed(deliveries: &[CarriedDelivery]) -> Vec<Trip> {
    let mut shops: BTreeMap<MerchantId, Vec<&CarriedDelivery>> = BTreeMap::new();
    for delivery in deliveries.iter().filter(|d| d.is_at_shop()) {
        shops.entry(delivery.shop).or_default().push(delivery);
    }
    let mut trips: Vec<_> = shops.into_iter().collect();
    let order = |deliveries: &[&CarriedDelivery]| {
        let is_there = deliveries.iter().any(|d| d.state == DeliveryState::AtPickup);
        (!is_there, deliveries.iter().map(|d| d.ready_at_ms).min())
    };
    trips.sort_by_key(|(shop, deliveries)| (order(deliveries), *shop));
    trips.into_iter().map(|(shop, deliveries)| Trip { shop, deliveries: doors(deliveries) }).collect()
}

/// The sequence of doors from the counter: the nearest next.
fn doors(mut deliveries: Vec<&CarriedDelivery>) -> Vec<DeliveryId> {
    let mut sequence = Vec::with_capacity(deliveries.len());
    let Some(mut at) = deliveries.first().map(|d| d.pickup) else { return sequence };
    let distance_m = |d: &CarriedDelivery, at: Place| d.dropoff.distance_m(&at);
    while let Some(next) = (0..deliveries.len()).min_by(|a, b| {
        distance_m(deliveries[*a], at)
            .total_cmp(&distance_m(deliveries[*b], at))
            .then(deliveries[*a].id.cmp(&deliveries[*b].id))
    }) {
        let delivery = deliveries.remove(next);
        at = delivery.dropoff;
        sequence.push(delivery.id);
    }
    sequence
}

#[cfg(test)]
mod tests {
    use super::*;
    use DeliveryState::{Assigned, AtDropoff, AtPickup, Delivered, PickedUp, Returning};

    const NOW: i64 = 1_000_000;
    const TRAVEL: TravelModel =
        TravelModel { circuity_permille: 1_300, round_up_ms: 1, counter_ms: 120_000, door_ms: 60_000 };

    fn place(lat: f64) -> Place {
        Place::new(lat, 10.0).unwrap()
    }

    fn shop(n: u128) -> MerchantId {
        MerchantId(uuid::Uuid::from_u128(n))
    }

    fn id(n: u128) -> DeliveryId {
        DeliveryId(uuid::Uuid::from_u128(n))
    }

    /// From shop `s` at 50.0s to a door at 50.`door`.
    fn delivery(n: u128, s: u128, state: DeliveryState, door: f64) -> CarriedDelivery {
        CarriedDelivery {
            id: id(n),
            shop: shop(s),
            state,
            since_ms: NOW - 10_000,
            pickup: place(50.0 + s as f64 / 100.0),
            dropoff: place(50.0 + door),
            ready_at_ms: NOW + 60_000 * s as i64,
        }
    }

    fn of(deliveries: &[CarriedDelivery]) -> Workload {
        workload(deliveries, place(50.0), 5.0, NOW, &TRAVEL)
    }

    #[test]
    fn without_deliveries_a_rider_is_free_here_and_now() {
        let free = Workload { free_at_ms: NOW, free_place: place(50.0), at_counter: None, committed: vec![] };
        assert_eq!(of(&[]), free);
        assert_eq!(of(&[delivery(1, 1, Delivered, 0.5)]), free);
    }

    #[test]
    fn carried_food_goes_first_to_the_nearest_door() {
        let deliveries =
            [delivery(1, 1, PickedUp, 0.03), delivery(2, 1, PickedUp, 0.01), delivery(3, 2, Assigned, 0.02)];
        let next = of(&deliveries);
        let travel = |a: f64, b: f64| travel_ms(&place(a), &place(b), 5.0);
        // Half the service time at the counter from the pickup on, which was 10 s ago.
        let expected = NOW + 50_000 + travel(50.0, 50.01) + 60_000 + travel(50.01, 50.03) + 60_000;
        assert_eq!((next.free_at_ms, next.free_place), (expected, place(50.03)));
        assert_eq!(next.committed, [Trip { shop: shop(2), deliveries: vec![id(3)] }]);
        assert_eq!(next.at_counter, None);
    }

    #[test]
    fn at_a_door_the_rest_of_the_service_remains_and_returned_food_goes_to_its_shop() {
        assert_eq!(of(&[delivery(1, 1, AtDropoff, 0.0)]).free_at_ms, NOW + 50_000);
        let back = of(&[delivery(1, 1, Returning, 0.5)]);
        assert_eq!(back.free_place, place(50.01));
    }

    #[test]
    fn without_food_at_a_counter_a_rider_is_free_since_they_arrived() {
        let deliveries = [delivery(1, 1, Assigned, 0.5), delivery(2, 3, AtPickup, 0.5), delivery(3, 3, Assigned, 0.4)];
        let at = of(&deliveries);
        assert_eq!((at.at_counter, at.free_at_ms, at.free_place), (Some(shop(3)), NOW - 10_000, place(50.03)));
        // The shop where they stand is first; within a trip the nearest door is.
        let trips: Vec<_> = at.committed.iter().map(|t| (t.shop, t.deliveries.clone())).collect();
        assert_eq!(trips, [(shop(3), vec![id(3), id(2)]), (shop(1), vec![id(1)])]);
        let with_food = [&deliveries[..], &[delivery(4, 1, PickedUp, 0.2)]].concat();
        assert_eq!(of(&with_food).at_counter, None);
    }

    #[test]
    fn shops_are_visited_as_their_food_gets_ready() {
        let deliveries = [delivery(1, 5, Assigned, 0.1), delivery(2, 4, Assigned, 0.1)];
        let shops: Vec<_> = of(&deliveries).committed.iter().map(|t| t.shop).collect();
        assert_eq!(shops, [shop(4), shop(5)]);
    }
}
