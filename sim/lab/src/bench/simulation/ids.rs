//! Conversions between the indexes of an instance and the ids and points of the engine.

use pannier_contracts::{DeliveryId, MerchantId, RiderId};
use pannier_engine as engine;
use uuid::Uuid;

pub(super) fn rider_id(courier: usize) -> RiderId {
    RiderId(id_of(courier))
}

pub(in crate::bench) fn delivery_id(order: usize) -> DeliveryId {
    DeliveryId(id_of(order))
}

pub(super) fn shop_id(restaurant: usize) -> MerchantId {
    MerchantId(id_of(restaurant))
}

/// Ids count from 1: the nil UUID is no id.
fn id_of(index: usize) -> Uuid {
    Uuid::from_u128(index as u128 + 1)
}

/// The index that an id was made from.
pub(in crate::bench) fn index_of(id: Uuid) -> usize {
    id.as_u128() as usize - 1
}

pub(super) fn point(at: pannier_instance::Point) -> engine::Point {
    engine::Point { x_m: at.x, y_m: at.y }
}
