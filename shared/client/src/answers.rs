//! Response bodies of the APIs. Only the fields that this client's users read; unknown fields are ignored.

use chrono::{DateTime, Utc};
use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
use pannier_contracts::merchant::MerchantStatus;
use pannier_contracts::order::OrderState;
use pannier_contracts::{
    CustomerId, DeliveryId, MerchantId, Money, OrderId, Place, QuoteId, RiderId, TicketId, Version,
};
use serde::Deserialize;

/// One page of a list.
#[derive(Debug, Clone, Deserialize)]
pub struct Page<T> {
    /// The records of this page.
    pub data: Vec<T>,
    /// `cursor` of the next page; none on the last.
    #[serde(default)]
    pub next_cursor: Option<String>,
}

/// A shop as customers see it.
#[derive(Debug, Clone, Deserialize)]
pub struct MerchantView {
    /// The shop's `mer_…` id.
    pub id: MerchantId,
    /// Only an open shop takes orders.
    pub status: MerchantStatus,
}

/// A shop as its owner sees it.
#[derive(Debug, Clone, Deserialize)]
pub struct ShopView {
    /// For `If-Match` of the next change.
    pub version: Version,
    /// Only an open shop takes orders.
    pub status: MerchantStatus,
}

/// A priced basket, valid for a short time.
#[derive(Debug, Clone, Deserialize)]
pub struct QuoteView {
    /// Named by the order that is placed from it.
    pub id: QuoteId,
    /// Items and fees, in minor units of the shop's currency.
    pub total: Money,
}

/// An order as its customer, or operations, see it.
#[derive(Debug, Clone, Deserialize)]
pub struct OrderView {
    /// The `ord_…` id.
    pub id: OrderId,
    /// For `If-Match` of the next change.
    pub version: Version,
    /// Its place in the order lifecycle.
    pub state: OrderState,
    /// Who placed it; only in the operations API.
    #[serde(default)]
    pub customer_id: Option<CustomerId>,
    /// The shop that it was placed at.
    pub merchant_id: MerchantId,
    /// When order-svc stored it.
    pub placed_at: DateTime<Utc>,
    /// When the shop expects the food to be ready; none before acceptance.
    #[serde(default)]
    pub ready_at: Option<DateTime<Utc>>,
    /// Code of a rejection, cancellation, expiry or failure.
    #[serde(default)]
    pub reason: Option<String>,
    /// The shop's ticket; none before payment.
    #[serde(default)]
    pub ticket: Option<OrderTicket>,
    /// The delivery; none before acceptance.
    #[serde(default)]
    pub delivery: Option<OrderDelivery>,
    /// The handover PIN; only in the customer API.
    #[serde(default)]
    pub pin: Option<String>,
}

/// Summary of the shop's ticket in an [`OrderView`].
#[derive(Debug, Clone, Deserialize)]
pub struct OrderTicket {
    /// The `tkt_…` id.
    pub id: TicketId,
}

/// Summary of the delivery in an [`OrderView`].
#[derive(Debug, Clone, Deserialize)]
pub struct OrderDelivery {
    /// The `dlv_…` id.
    pub id: DeliveryId,
    /// Its place in the delivery lifecycle.
    pub state: DeliveryState,
    /// The assigned rider.
    #[serde(default)]
    pub rider_id: Option<RiderId>,
    /// When the rider collected the food.
    #[serde(default)]
    pub picked_up_at: Option<DateTime<Utc>>,
    /// When the customer received it.
    #[serde(default)]
    pub delivered_at: Option<DateTime<Utc>>,
}

impl OrderView {
    /// Whether the state is final.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        use OrderState::{Cancelled, Delivered, Expired, Failed, Rejected};
        matches!(self.state, Delivered | Rejected | Expired | Cancelled | Failed)
    }
}

/// A delivery as its rider sees it.
#[derive(Debug, Clone, Deserialize)]
pub struct DeliveryView {
    /// The record, its fields at the top level of the JSON.
    #[serde(flatten)]
    pub delivery: DeliverySnapshot,
    /// The shop's place.
    pub pickup: Place,
    /// The customer's place.
    pub dropoff: Place,
}

/// One dispatch round: the dispatcher's decision about a delivery at one time.
#[derive(Debug, Clone, Deserialize)]
pub struct RoundView {
    /// When the decision was made.
    pub at: DateTime<Utc>,
    /// `offer`, `hold` or `nobody`.
    pub outcome: String,
    /// Why no offer was made.
    #[serde(default)]
    pub reason: Option<String>,
}
