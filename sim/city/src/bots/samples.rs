//! Records for tests of the riders' logic.

use chrono::DateTime;
use pannier_client::DeliveryView;
use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
use pannier_contracts::{DeliveryId, MerchantId, OrderId, Place, RiderId, Version, ZoneId};
use pannier_instance::Point;

/// A place, in metres from the origin.
pub fn at(x: f64, y: f64) -> Place {
    Point { x, y }.place().unwrap()
}

/// A delivery of 1 km that is assigned to `rider`.
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
