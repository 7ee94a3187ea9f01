//! The order as other services know it. Owner: order-svc, exchange `order`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::{CustomerId, MerchantId, Money, OrderId, Place, Version, ZoneId};

text_enum! {
    /// Where an order is between tap and door. `failed`: we could not; `cancelled`: someone decided.
    pub enum OrderState {
        /// Placed; the payment is not authorised yet.
        PendingPayment => "pending_payment",
        /// Authorised; the shop has not answered.
        Paid => "paid",
        /// The shop is preparing it.
        Accepted => "accepted",
        /// It waits at the counter.
        Ready => "ready",
        /// A rider carries it.
        Delivering => "delivering",
        /// The customer has it.
        Delivered => "delivered",
        /// The shop said no.
        Rejected => "rejected",
        /// Nobody paid, or the shop did not answer, in time.
        Expired => "expired",
        /// Somebody decided against it.
        Cancelled => "cancelled",
        /// We could not deliver it.
        Failed => "failed",
    }
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The shop's article number.
    pub sku: String,
    /// As the menu called it when it was priced.
    pub name: String,
    /// How many.
    pub quantity: u16,
    /// For one of them.
    pub unit_price: Money,
}

/// The whole order after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderSnapshot {
    /// Which order.
    pub id: OrderId,
    /// Its version after the change.
    pub version: Version,
    /// Where it is.
    pub state: OrderState,
    /// Who placed it.
    pub customer_id: CustomerId,
    /// The shop it was placed at.
    pub merchant_id: MerchantId,
    /// The shop's name, for the rider.
    pub merchant_name: String,
    /// The zone of the drop-off.
    pub zone_id: ZoneId,
    /// What was ordered.
    pub lines: Vec<OrderLine>,
    /// What the customer pays, fees included.
    pub total: Money,
    /// Where the shop is.
    pub pickup: Place,
    /// Where the customer is.
    pub dropoff: Place,
    /// When the kitchen means to be done; known from acceptance on.
    pub ready_at: Option<DateTime<Utc>>,
    /// When the customer was told to expect it.
    pub promise_at: DateTime<Utc>,
    /// SHA-256, hex, of order id and PIN: the rider proves the hand-over with the PIN that the customer tells.
    pub pin_hash: String,
    /// Why it ended, when it did not end at the door: `no_rider`, `sold_out`, `customer_request` …
    pub reason: Option<String>,
    /// When it was placed.
    pub placed_at: DateTime<Utc>,
}

impl Snapshot for OrderSnapshot {
    const AGGREGATE: &'static str = "order";
    fn aggregate_id(&self) -> Uuid {
        self.id.0
    }
    fn version(&self) -> Version {
        self.version
    }
}
