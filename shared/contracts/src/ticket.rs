//! The kitchen's side of an order. Owner: merchant-svc, exchange `merchant`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::order::OrderLine;
use crate::{MerchantId, OrderId, TicketId, Version};

text_enum! {
    /// Where an order is in the kitchen.
    pub enum TicketState {
        /// It rings; nobody has answered.
        AwaitingAcceptance => "awaiting_acceptance",
        /// It is being prepared.
        Accepted => "accepted",
        /// It waits at the counter.
        Ready => "ready",
        /// The rider has it.
        HandedOver => "handed_over",
        /// The shop said no.
        Rejected => "rejected",
        /// The order expired.
        Expired => "expired",
        /// The order was cancelled, or failed.
        Cancelled => "cancelled",
    }
}

/// The whole ticket after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketSnapshot {
    /// Which ticket.
    pub id: TicketId,
    /// Its version after the change.
    pub version: Version,
    /// Where it is.
    pub state: TicketState,
    /// The order it is of; an order has at most one ticket.
    pub order_id: OrderId,
    /// Whose kitchen.
    pub merchant_id: MerchantId,
    /// What to prepare.
    pub lines: Vec<OrderLine>,
    /// When the kitchen means to be done.
    pub ready_at: Option<DateTime<Utc>>,
    /// Why it ended early.
    pub reason: Option<String>,
    /// When it was opened.
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
