//! The row of a delivery.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
use pannier_contracts::{DeliveryId, MerchantId, OrderId, Place, RiderId, Version, ZoneId};

use crate::store::schema::deliveries;

/// A delivery.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = deliveries)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The order it carries.
    pub order_id: OrderId,
    /// The shop.
    pub merchant_id: MerchantId,
    /// The shop's name, for the rider.
    pub merchant_name: String,
    /// The zone whose policy it follows.
    pub zone_id: ZoneId,
    /// Where the shop is.
    pub pickup: Place,
    /// Where the customer is.
    pub dropoff: Place,
    /// The ready time that the shop stated last.
    pub ready_at: DateTime<Utc>,
    /// The time that the customer was promised.
    pub promise_at: DateTime<Utc>,
    /// The hash that a PIN is compared with: see [`crate::domain::pin`].
    pub pin_hash: String,
    /// Its state.
    pub state: DeliveryState,
    /// Grows by one with every change that events announce.
    pub version: Version,
    /// Grows by one with every reassignment.
    pub attempt: i32,
    /// The rider who carries it, or carried it when it ended.
    pub rider_id: Option<RiderId>,
    /// Why it ended early.
    pub reason: Option<String>,
    /// When it was opened here.
    pub opened_at: DateTime<Utc>,
    /// When it entered its state.
    pub state_since: DateTime<Utc>,
    /// When the rider accepted it.
    pub assigned_at: Option<DateTime<Utc>>,
    /// When the rider arrived at the counter.
    pub at_pickup_at: Option<DateTime<Utc>>,
    /// When the rider took the food.
    pub picked_up_at: Option<DateTime<Utc>>,
    /// When the rider arrived at the door.
    pub at_dropoff_at: Option<DateTime<Utc>>,
    /// When the food was handed over.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Where the rider was at the last check for movement.
    pub watched_place: Option<Place>,
    /// The ready time that the shop stated first; none in rows from before it was kept.
    pub stated_ready_at: Option<DateTime<Utc>>,
    /// When the shop reported the food ready, if it did so before pickup.
    pub ready_seen_at: Option<DateTime<Utc>>,
}

impl Delivery {
    /// As events and other services show it.
    #[must_use]
    pub fn snapshot(&self) -> DeliverySnapshot {
        DeliverySnapshot {
            id: self.id,
            version: self.version,
            state: self.state,
            order_id: self.order_id,
            merchant_id: self.merchant_id,
            zone_id: self.zone_id.clone(),
            rider_id: self.rider_id,
            attempt: self.attempt,
            ready_at: self.ready_at,
            picked_up_at: self.picked_up_at,
            delivered_at: self.delivered_at,
            reason: self.reason.clone(),
        }
    }
}
