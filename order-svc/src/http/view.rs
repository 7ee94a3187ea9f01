//! Orders as their readers see them.

use chrono::{DateTime, Utc};
use pannier_contracts::order::{OrderLine, OrderState};
use pannier_contracts::payment::PaymentState;
use pannier_contracts::{CustomerId, MerchantId, Money, OrderId, Place, Version};
use serde::Serialize;

use crate::domain::lifecycle::{customer_actions, ops_actions, shop_actions};
use crate::domain::pricing::Fee;
use crate::domain::who_pays::WhoPays;
use crate::store::Order;

/// Who reads an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Its customer, who sees the PIN.
    Customer,
    /// Its shop.
    Shop,
    /// Operations.
    Ops,
}

/// The payment of an order.
#[derive(Debug, Clone, Serialize)]
pub struct PaymentView {
    state: PaymentState,
}

/// An order, as a reader sees it.
#[derive(Debug, Clone, Serialize)]
pub struct OrderView {
    id: OrderId,
    external_id: Option<String>,
    version: Version,
    state: OrderState,
    customer_id: CustomerId,
    merchant_id: MerchantId,
    merchant_name: String,
    lines: Vec<OrderLine>,
    fees: Vec<Fee>,
    total: Money,
    pickup: Place,
    dropoff: Place,
    placed_at: DateTime<Utc>,
    promise_at: DateTime<Utc>,
    ready_at: Option<DateTime<Utc>>,
    reason: Option<String>,
    /// Only for operations, when it has ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    who_pays: Option<WhoPays>,
    payment: PaymentView,
    /// The version of `ticket` and `delivery`, which the order's own version does not count.
    progress: Version,
    ticket: Option<serde_json::Value>,
    delivery: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allowed_actions: Option<Vec<String>>,
}

impl OrderView {
    /// The view of a reader.
    #[must_use]
    pub fn of(order: &Order, reader: Reader) -> Self {
        let allowed_actions = match reader {
            Reader::Customer => customer_actions(order.state),
            Reader::Shop => shop_actions(order.state),
            Reader::Ops => ops_actions(order.state),
        };
        let progress = order.progress.as_ref();
        Self {
            id: order.id,
            external_id: order.external_id.clone(),
            version: order.version,
            state: order.state,
            customer_id: order.customer_id,
            merchant_id: order.merchant_id,
            merchant_name: order.merchant_name.clone(),
            lines: order.lines.0.clone(),
            fees: order.fees.0.clone(),
            total: order.total(),
            pickup: order.pickup,
            dropoff: order.dropoff,
            placed_at: order.placed_at,
            promise_at: order.promise_at,
            ready_at: order.ready_at,
            reason: order.reason.clone(),
            who_pays: order.who_pays.as_ref().map(|pays| pays.0).filter(|_| reader == Reader::Ops),
            payment: PaymentView { state: order.payment.state },
            progress: order.progress_version(),
            ticket: progress.and_then(|progress| progress.ticket.clone()),
            delivery: progress.and_then(|progress| progress.delivery.clone()),
            pin: (reader == Reader::Customer).then(|| order.pin.clone()),
            allowed_actions: Some(allowed_actions),
        }
    }
}
