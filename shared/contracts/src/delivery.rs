//! The rider's side of an order. Owner: dispatch-svc, exchange `dispatch`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::{DeliveryId, MerchantId, OrderId, RiderId, Version, ZoneId};

text_enum! {
    /// The state of a delivery.
    pub enum DeliveryState {
        /// The order is accepted; it is too early to search for a rider.
        Scheduled => "scheduled",
        /// A rider is searched for; nobody has an open offer.
        Searching => "searching",
        /// One or more riders have an open offer.
        Offered => "offered",
        /// A rider accepted the offer and is on the way to the shop.
        Assigned => "assigned",
        /// The rider is at the shop.
        AtPickup => "at_pickup",
        /// The rider has the food. From here on the order follows the delivery.
        PickedUp => "picked_up",
        /// The rider is at the customer's door.
        AtDropoff => "at_dropoff",
        /// The customer has the food.
        Delivered => "delivered",
        /// The rider brings the food back to the shop.
        Returning => "returning",
        /// The shop has the food again.
        Returned => "returned",
        /// The food is lost, or its rider is.
        Failed => "failed",
        /// The order ended before pickup.
        Cancelled => "cancelled",
        /// No rider accepted within the zone's `give_up_ms`.
        Unassignable => "unassignable",
    }
}

text_enum! {
    /// Why food goes back to its shop.
    pub enum FailureReason {
        /// Nobody came to the door within the zone's `customer_wait_ms`.
        CustomerAbsent => "customer_absent",
        /// The address does not exist, or is another one than the customer's.
        AddressWrong => "address_wrong",
        /// The customer did not take it.
        CustomerRefused => "customer_refused",
        /// It was spilt, cold or otherwise not fit to be handed over.
        FoodSpoilt => "food_spoilt",
        /// The rider cannot go on: an accident, a broken vehicle.
        RiderUnable => "rider_unable",
    }
}

text_enum! {
    /// Why operations settle a delivery without its rider.
    pub enum LossReason {
        /// The food is lost, stolen or eaten.
        FoodLost => "food_lost",
        /// The rider cannot be reached.
        RiderLost => "rider_lost",
    }
}

/// The reason of a delivery that operations called back without naming a [`FailureReason`].
pub const CALLED_BACK: &str = "called_back";

/// The whole delivery after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverySnapshot {
    /// The delivery's id.
    pub id: DeliveryId,
    /// Its version after the change.
    pub version: Version,
    /// Its state after the change.
    pub state: DeliveryState,
    /// The order that is delivered; an order has at most one delivery.
    pub order_id: OrderId,
    /// The shop where the rider picks up.
    pub merchant_id: MerchantId,
    /// The zone whose policy applies.
    pub zone_id: ZoneId,
    /// The rider who accepted, from `assigned` on.
    pub rider_id: Option<RiderId>,
    /// The number of the assignment: 1, and one more with every reassignment.
    pub attempt: i32,
    /// When the food will be ready, as the shop says now.
    pub ready_at: DateTime<Utc>,
    /// When the rider took the food.
    pub picked_up_at: Option<DateTime<Utc>>,
    /// When the customer got the food.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Why it does not reach the customer, a code: of dispatch `no_rider`, a [`FailureReason`], a [`LossReason`] or
    /// [`CALLED_BACK`]; or the reason of its order. What people wrote is not in it.
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
