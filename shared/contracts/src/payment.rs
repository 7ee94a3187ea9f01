//! The payment of an order. Owner: order-svc; not published.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::{Money, OrderId, PaymentId, Version};

text_enum! {
    /// The state of a payment.
    pub enum PaymentState {
        /// The gateway has not authorised it yet.
        Initiated => "initiated",
        /// The gateway holds the amount.
        Authorised => "authorised",
        /// The amount is taken.
        Captured => "captured",
        /// A part of the captured amount is refunded.
        PartiallyRefunded => "partially_refunded",
        /// The captured amount is refunded.
        Refunded => "refunded",
        /// The hold is released; nothing was taken.
        Voided => "voided",
        /// The gateway refused to authorise or to capture it.
        Failed => "failed",
        /// The gateway did not answer. It is asked for the result before anything else is tried.
        Unknown => "unknown",
    }
}

/// The whole payment after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentSnapshot {
    /// The payment's id.
    pub id: PaymentId,
    /// Its version after the change.
    pub version: Version,
    /// Its state after the change.
    pub state: PaymentState,
    /// The order; an order has one payment.
    pub order_id: OrderId,
    /// The order's total.
    pub amount: Money,
}

impl Snapshot for PaymentSnapshot {
    const AGGREGATE: &'static str = "payment";
    fn aggregate_id(&self) -> Uuid {
        self.id.0
    }
    fn version(&self) -> Version {
        self.version
    }
}
