//! The order as other services know it. Owner: order-svc, exchange `order`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::{CustomerId, MerchantId, Money, OrderId, Place, Version, ZoneId};

text_enum! {
    /// The state of an order.
    pub enum OrderState {
        /// Placed; the payment is not authorised yet.
        PendingPayment => "pending_payment",
        /// The payment is authorised; the shop has not answered.
        Paid => "paid",
        /// The shop accepted and prepares the food.
        Accepted => "accepted",
        /// The food is ready at the shop.
        Ready => "ready",
        /// A rider has the food.
        Delivering => "delivering",
        /// The customer has the food.
        Delivered => "delivered",
        /// The shop rejected it.
        Rejected => "rejected",
        /// The payment was not authorised in time, or the shop did not answer in time.
        Expired => "expired",
        /// Cancelled by the customer, the shop or operations.
        Cancelled => "cancelled",
        /// It could not be delivered: no rider, or the delivery failed.
        Failed => "failed",
    }
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The shop's stock keeping unit.
    pub sku: String,
    /// The item's name when the order was priced.
    pub name: String,
    /// The number of items.
    pub quantity: u16,
    /// The price of one item.
    pub unit_price: Money,
}

/// The whole order after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderSnapshot {
    /// The order's id.
    pub id: OrderId,
    /// Its version after the change.
    pub version: Version,
    /// Its state after the change.
    pub state: OrderState,
    /// The customer who placed it.
    pub customer_id: CustomerId,
    /// The shop.
    pub merchant_id: MerchantId,
    /// The shop's name when the order was placed.
    pub merchant_name: String,
    /// The zone of the drop-off.
    pub zone_id: ZoneId,
    /// The lines, as they were priced.
    pub lines: Vec<OrderLine>,
    /// What the customer pays, including fees.
    pub total: Money,
    /// Where the shop is.
    pub pickup: Place,
    /// Where the customer is.
    pub dropoff: Place,
    /// When the food will be ready, as the shop says; known from acceptance on.
    pub ready_at: Option<DateTime<Utc>>,
    /// The delivery time that was promised to the customer.
    pub promise_at: DateTime<Utc>,
    /// SHA-256, hex, of order id and PIN. At the door the customer tells the rider the PIN, which dispatch-svc compares.
    pub pin_hash: String,
    /// Why it ended without being delivered: `no_rider`, `sold_out`, `customer_request` …
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
