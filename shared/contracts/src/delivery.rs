//! The rider's side of an order. Owner: dispatch-svc, exchange `dispatch`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::{DeliveryId, MerchantId, OrderId, RiderId, Version, ZoneId};

text_enum! {
    /// Where an order is between the counter and the door.
    pub enum DeliveryState {
        /// Known, held: too early to look for a rider.
        Scheduled => "scheduled",
        /// A rider is wanted.
        Searching => "searching",
        /// One or more riders have an offer.
        Offered => "offered",
        /// A rider accepted.
        Assigned => "assigned",
        /// The rider is at the shop.
        AtPickup => "at_pickup",
        /// The rider has the food; from here on the delivery decides about the order.
        PickedUp => "picked_up",
        /// The rider is at the customer's.
        AtDropoff => "at_dropoff",
        /// The customer has it.
        Delivered => "delivered",
        /// The rider brings it back.
        Returning => "returning",
        /// It is back at the shop.
        Returned => "returned",
        /// It could not be handed over.
        Failed => "failed",
        /// The order ended before pickup.
        Cancelled => "cancelled",
        /// No rider was found in time.
        Unassignable => "unassignable",
    }
}

/// The whole delivery after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverySnapshot {
    /// Which delivery.
    pub id: DeliveryId,
    /// Its version after the change.
    pub version: Version,
    /// Where it is.
    pub state: DeliveryState,
    /// The order it carries; an order has at most one delivery.
    pub order_id: OrderId,
    /// The shop it starts at.
    pub merchant_id: MerchantId,
    /// The zone whose policy it follows.
    pub zone_id: ZoneId,
    /// Who carries it. With `attempt` this is the assignment.
    pub rider_id: Option<RiderId>,
    /// One more with every reassignment.
    pub attempt: i32,
    /// When the kitchen means to be done.
    pub ready_at: DateTime<Utc>,
    /// When the food left the shop.
    pub picked_up_at: Option<DateTime<Utc>>,
    /// When the customer had it.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Why it ended early.
    pub reason: Option<String>,
}

impl Snapshot for DeliverySnapshot {
    const AGGREGATE: &'static str = "delivery";
    fn aggregate_id(&self) -> Uuid {
        self.id.0
    }
    fn version(&self) -> Version {
        self.version
    }
}
