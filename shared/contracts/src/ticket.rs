//! A ticket, the kitchen's side of an order. Owner: merchant-svc, exchange `merchant`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::order::OrderLine;
use crate::{MerchantId, OrderId, TicketId, Version};

text_enum! {
    /// The state of a ticket.
    pub enum TicketState {
        /// The shop has not answered.
        AwaitingAcceptance => "awaiting_acceptance",
        /// The shop accepted and prepares the food.
        Accepted => "accepted",
        /// The food is ready at the shop.
        Ready => "ready",
        /// The rider has the food.
        HandedOver => "handed_over",
        /// The shop rejected the order, or could not make it.
        Rejected => "rejected",
        /// The order expired before the shop answered.
        Expired => "expired",
        /// The order was cancelled, or failed, before pickup.
        Cancelled => "cancelled",
    }
}

/// The whole ticket after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketSnapshot {
    /// The ticket's id.
    pub id: TicketId,
    /// Its version after the change.
    pub version: Version,
    /// Its state after the change.
    pub state: TicketState,
    /// The order; an order has at most one ticket.
    pub order_id: OrderId,
    /// The shop.
    pub merchant_id: MerchantId,
    /// The order's lines.
    pub lines: Vec<OrderLine>,
    /// When the food will be ready, as the shop says; known from acceptance on.
    pub ready_at: Option<DateTime<Utc>>,
    /// Why it ended before the hand-over.
    pub reason: Option<String>,
    /// When the ticket was opened.
    pub opened_at: DateTime<Utc>,
}

impl Snapshot for TicketSnapshot {
    const AGGREGATE: &'static str = "ticket";
    fn aggregate_id(&self) -> Uuid {
        self.id.0
    }
    fn version(&self) -> Version {
        self.version
    }
}
