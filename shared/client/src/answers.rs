//! What the platform answers, as far as the bots read it.

use chrono::{DateTime, Utc};
use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
use pannier_contracts::merchant::MerchantStatus;
use pannier_contracts::order::OrderState;
use pannier_contracts::{
    CustomerId, DeliveryId, MerchantId, Money, OrderId, Place, QuoteId, RiderId, TicketId, Version,
};
use serde::Deserialize;

/// A part of a list.
#[derive(Debug, Clone, Deserialize)]
pub struct Page<T> {
    /// The records.
    pub data: Vec<T>,
    /// Where the next part starts.
    #[serde(default)]
    pub next_cursor: Option<String>,
}

/// A shop as customers see it.
#[derive(Debug, Clone, Deserialize)]
pub struct MerchantView {
    /// Which shop.
    pub id: MerchantId,
    /// Does it take orders?
    pub status: MerchantStatus,
}

/// A shop as its owner sees it.
#[derive(Debug, Clone, Deserialize)]
pub struct ShopView {
    /// Its version.
    pub version: Version,
    /// Does it take orders?
    pub status: MerchantStatus,
}

/// A priced offer of a shop.
#[derive(Debug, Clone, Deserialize)]
pub struct QuoteView {
    /// Which quote.
    pub id: QuoteId,
    /// What it costs.
    pub total: Money,
}

/// The order as its customer sees it.
#[derive(Debug, Clone, Deserialize)]
pub struct OrderView {
    /// Which order.
    pub id: OrderId,
    /// Its version.
    pub version: Version,
    /// Where it is.
    pub state: OrderState,
    /// Who placed it.
    #[serde(default)]
    pub customer_id: Option<CustomerId>,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// When it was placed.
    pub placed_at: DateTime<Utc>,
    /// When the kitchen means to be done.
    #[serde(default)]
    pub ready_at: Option<DateTime<Utc>>,
    /// Why it ended early.
    #[serde(default)]
    pub reason: Option<String>,
    /// The kitchen's side.
    #[serde(default)]
    pub ticket: Option<OrderTicket>,
    /// The rider's side.
    #[serde(default)]
    pub delivery: Option<OrderDelivery>,
    /// What the customer tells the rider at the door.
    #[serde(default)]
    pub pin: Option<String>,
}

/// The ticket in an order.
#[derive(Debug, Clone, Deserialize)]
pub struct OrderTicket {
    /// Which ticket.
    pub id: TicketId,
}

/// The delivery in an order.
#[derive(Debug, Clone, Deserialize)]
pub struct OrderDelivery {
    /// Which delivery.
    pub id: DeliveryId,
    /// Where it is.
    pub state: DeliveryState,
    /// Who carries it.
    #[serde(default)]
    pub rider_id: Option<RiderId>,
    /// When the food left the shop.
    #[serde(default)]
    pub picked_up_at: Option<DateTime<Utc>>,
    /// When the customer had it.
    #[serde(default)]
    pub delivered_at: Option<DateTime<Utc>>,
}

impl OrderView {
    /// Nothing more happens to it.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        use OrderState::{Cancelled, Delivered, Expired, Failed, Rejected};
        matches!(self.state, Delivered | Rejected | Expired | Cancelled | Failed)
    }
}

/// The delivery as its rider sees it.
#[derive(Debug, Clone, Deserialize)]
pub struct DeliveryView {
    /// The delivery itself.
    #[serde(flatten)]
    pub delivery: DeliverySnapshot,
    /// Where the shop is.
    pub pickup: Place,
    /// Where the customer is.
    pub dropoff: Place,
}

/// One look of the dispatcher at a delivery.
#[derive(Debug, Clone, Deserialize)]
pub struct RoundView {
    /// When.
    pub at: DateTime<Utc>,
    /// `offer`, `hold`, `nobody`.
    pub outcome: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}
