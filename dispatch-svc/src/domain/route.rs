//! What lies ahead of a rider: when and where they are done with what is in their bag, and what they still have to fetch.

use std::collections::BTreeMap;

use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::{DeliveryId, MerchantId, Place};
use pannier_engine::{TravelModel, Trip, travel_ms};

/// One delivery of a rider, as far as their way is concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
    /// Which delivery.
    pub id: DeliveryId,
    /// Whose counter.
    pub shop: MerchantId,
    /// Where it is.
    pub state: DeliveryState,
    /// Since when, milliseconds since 1970.
    pub since_ms: i64,
    /// The shop.
    pub pickup: Place,
    /// The door.
    pub dropoff: Place,
    /// When the kitchen means to be done, milliseconds since 1970.
    pub ready_at_ms: i64,
}

impl Leg {
    fn is_at_shop(&self) -> bool {
        matches!(self.state, DeliveryState::Assigned | DeliveryState::AtPickup)
    }
}

/// What lies ahead of a rider.
#[derive(Debug, Clone, PartialEq)]
pub struct Ahead {
    /// When their bag is empty, milliseconds since 1970; at a counter with an empty bag: when they came.
    pub free_at_ms: i64,
    /// Where that is.
    pub free_place: Place,
    /// The shop at whose counter they stand with an empty bag.
    pub at_counter: Option<MerchantId>,
    /// What they have accepted and not picked up, shop by shop.
    pub committed: Vec<Trip>,
}

/// Riders usually empty the bag first, nearest door first; then they go to the shops, the one where they stand first and
/// otherwise the one whose food is ready first. `travel` tells how long they stand at counters and doors.
#[must_use]
pub fn ahead(legs: &[Leg], from: Place, speed_mps: f64, now_ms: i64, travel: &TravelModel) -> Ahead {
    let committed = committed(legs);
    let mut bag: Vec<&Leg> = legs.iter().filter(|l| target(l).is_some()).collect();
    if bag.is_empty() {
        let shop = committed.first().map(|trip| trip.shop);
        let is_there = |l: &&Leg| l.state == DeliveryState::AtPickup && Some(l.shop) == shop;
        if let Some(at) = legs.iter().filter(is_there).min_by_key(|l| (l.since_ms, l.id)) {
            let (free_at_ms, free_place) = (at.since_ms.min(now_ms), at.pickup);
            return Ahead { free_at_ms, free_place, at_counter: shop, committed };
        }
        return Ahead { free_at_ms: now_ms, free_place: from, at_counter: None, committed };
    }
    // Who has just taken food still has half a service to go.
    let taken = bag.iter().filter(|l| l.state == DeliveryState::PickedUp).map(|l| l.since_ms + travel.counter_ms / 2);
    let (mut at_ms, mut at) = (taken.max().unwrap_or(now_ms).max(now_ms), from);
    while let Some(next) = nearest(&bag, at) {
        let leg = bag.remove(next);
        let Some(place) = target(leg) else { continue };
        at_ms = match leg.state {
            DeliveryState::AtDropoff => (leg.since_ms + travel.door_ms).max(at_ms),
            DeliveryState::Returning => at_ms + travel_ms(&at, &place, speed_mps) + travel.counter_ms,
            _ => at_ms + travel_ms(&at, &place, speed_mps) + travel.door_ms,
        };
        at = place;
    }
    Ahead { free_at_ms: at_ms, free_place: at, at_counter: None, committed }
}

/// Where something in the bag is to go.
fn target(leg: &Leg) -> Option<Place> {
    match leg.state {
        DeliveryState::PickedUp | DeliveryState::AtDropoff => Some(leg.dropoff),
        DeliveryState::Returning => Some(leg.pickup),
        _ => None,
    }
}

/// The door where they stand; otherwise the nearest place.
fn nearest(bag: &[&Leg], at: Place) -> Option<usize> {
    let far = |l: &Leg| match l.state {
        DeliveryState::AtDropoff => 0.0,
        _ => target(l).map_or(f64::INFINITY, |place| place.distance_m(&at)),
    };
    (0..bag.len()).min_by(|a, b| far(bag[*a]).total_cmp(&far(bag[*b])).then(bag[*a].id.cmp(&bag[*b].id)))
}

fn committed(legs: &[Leg]) -> Vec<Trip> {
    let mut shops: BTreeMap<MerchantId, Vec<&Leg>> = BTreeMap::new();
    for leg in legs.iter().filter(|l| l.is_at_shop()) {
        shops.entry(leg.shop).or_default().push(leg);
    }
    let mut trips: Vec<_> = shops.into_iter().collect();
    let order = |legs: &[&Leg]| {
        let is_there = legs.iter().any(|l| l.state == DeliveryState::AtPickup);
        (!is_there, legs.iter().map(|l| l.ready_at_ms).min())
    };
    trips.sort_by_key(|(shop, legs)| (order(legs), *shop));
    trips.into_iter().map(|(shop, legs)| Trip { shop, deliveries: doors(legs) }).collect()
}

/// From the counter, the nearest door next.
fn doors(mut legs: Vec<&Leg>) -> Vec<DeliveryId> {
    let mut sequence = Vec::with_capacity(legs.len());
    let Some(mut at) = legs.first().map(|l| l.pickup) else { return sequence };
    let far = |l: &Leg, at: Place| l.dropoff.distance_m(&at);
    while let Some(next) = (0..legs.len())
        .min_by(|a, b| far(legs[*a], at).total_cmp(&far(legs[*b], at)).then(legs[*a].id.cmp(&legs[*b].id)))
    {
        let leg = legs.remove(next);
        at = leg.dropoff;
        sequence.push(leg.id);
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
    fn leg(n: u128, s: u128, state: DeliveryState, door: f64) -> Leg {
        Leg {
            id: id(n),
            shop: shop(s),
            state,
            since_ms: NOW - 10_000,
            pickup: place(50.0 + s as f64 / 100.0),
            dropoff: place(50.0 + door),
            ready_at_ms: NOW + 60_000 * s as i64,
        }
    }

    fn told(legs: &[Leg]) -> Ahead {
        ahead(legs, place(50.0), 5.0, NOW, &TRAVEL)
    }

    #[test]
    fn nothing_to_do_is_free_here_and_now() {
        let free = Ahead { free_at_ms: NOW, free_place: place(50.0), at_counter: None, committed: vec![] };
        assert_eq!(told(&[]), free);
        assert_eq!(told(&[leg(1, 1, Delivered, 0.5)]), free);
    }

    #[test]
    fn the_bag_is_emptied_first_nearest_door_first() {
        let legs = [leg(1, 1, PickedUp, 0.03), leg(2, 1, PickedUp, 0.01), leg(3, 2, Assigned, 0.02)];
        let ahead = told(&legs);
        let way = |a: f64, b: f64| travel_ms(&place(a), &place(b), 5.0);
        // Half a counter service since they took it, 10 s ago.
        let expected = NOW + 50_000 + way(50.0, 50.01) + 60_000 + way(50.01, 50.03) + 60_000;
        assert_eq!((ahead.free_at_ms, ahead.free_place), (expected, place(50.03)));
        assert_eq!(ahead.committed, [Trip { shop: shop(2), deliveries: vec![id(3)] }]);
        assert_eq!(ahead.at_counter, None);
    }

    #[test]
    fn at_a_door_only_the_rest_of_the_service_is_left_and_food_goes_back_to_its_shop() {
        assert_eq!(told(&[leg(1, 1, AtDropoff, 0.0)]).free_at_ms, NOW + 50_000);
        let back = told(&[leg(1, 1, Returning, 0.5)]);
        assert_eq!(back.free_place, place(50.01));
    }

    #[test]
    fn at_a_counter_with_an_empty_bag_they_have_been_since_they_came() {
        let legs = [leg(1, 1, Assigned, 0.5), leg(2, 3, AtPickup, 0.5), leg(3, 3, Assigned, 0.4)];
        let at = told(&legs);
        assert_eq!((at.at_counter, at.free_at_ms, at.free_place), (Some(shop(3)), NOW - 10_000, place(50.03)));
        // Where they stand first; the nearest door first.
        let trips: Vec<_> = at.committed.iter().map(|t| (t.shop, t.deliveries.clone())).collect();
        assert_eq!(trips, [(shop(3), vec![id(3), id(2)]), (shop(1), vec![id(1)])]);
        let with_food = [&legs[..], &[leg(4, 1, PickedUp, 0.2)]].concat();
        assert_eq!(told(&with_food).at_counter, None);
    }

    #[test]
    fn shops_are_visited_as_their_food_gets_ready() {
        let legs = [leg(1, 5, Assigned, 0.1), leg(2, 4, Assigned, 0.1)];
        let shops: Vec<_> = told(&legs).committed.iter().map(|t| t.shop).collect();
        assert_eq!(shops, [shop(4), shop(5)]);
    }
}
