//! Where the orders that a rider has will take them, and until when.

use chrono::{DateTime, Utc};
use pannier_contracts::Place;
use pannier_contracts::delivery::DeliveryState;
use pannier_engine::travel_ms;

/// One delivery of a rider, as far as their way is concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
    /// Where it is.
    pub state: DeliveryState,
    /// The shop.
    pub pickup: Place,
    /// The door.
    pub dropoff: Place,
    /// When the kitchen means to be done.
    pub ready_at: DateTime<Utc>,
}

/// The stops that are left, in the order that riders usually take: what is in the bag first, then shop by shop.
/// With it, when they will be done, milliseconds since 1970; 0 when there is nothing to do.
#[must_use]
pub fn stops(legs: &[Leg], from: Place, speed_mps: f64, now_ms: i64) -> (Vec<Place>, i64) {
    let (mut stops, mut at, mut time_ms) = (Vec::new(), from, now_ms);
    let mut go = |to: Place, not_before_ms: i64, at: &mut Place| {
        time_ms = (time_ms + travel_ms(at, &to, speed_mps)).max(not_before_ms);
        *at = to;
        stops.push(to);
    };
    for leg in legs {
        match leg.state {
            DeliveryState::PickedUp | DeliveryState::AtDropoff => go(leg.dropoff, 0, &mut at),
            DeliveryState::Returning => go(leg.pickup, 0, &mut at),
            _ => {}
        }
    }
    for leg in legs.iter().filter(|l| matches!(l.state, DeliveryState::Assigned | DeliveryState::AtPickup)) {
        go(leg.pickup, leg.ready_at.timestamp_millis(), &mut at);
        go(leg.dropoff, 0, &mut at);
    }
    let busy_until_ms = if stops.is_empty() { 0 } else { time_ms };
    (stops, busy_until_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_bag_comes_first_and_kitchens_are_waited_for() {
        let place = |lat: f64| Place::new(lat, 10.0).unwrap();
        let leg = |state, pickup, dropoff| Leg {
            state,
            pickup: place(pickup),
            dropoff: place(dropoff),
            ready_at: DateTime::from_timestamp_millis(10_000_000).unwrap(),
        };
        let legs = [
            leg(DeliveryState::Assigned, 50.01, 50.02),
            leg(DeliveryState::PickedUp, 50.0, 50.03),
            leg(DeliveryState::Delivered, 51.0, 51.0),
        ];
        let (way, until_ms) = stops(&legs, place(50.0), 5.0, 0);
        assert_eq!(way, [place(50.03), place(50.01), place(50.02)]);
        assert!(until_ms > 10_000_000);
        assert_eq!(stops(&legs[2..], place(50.0), 5.0, 7), (vec![], 0));
    }
}
