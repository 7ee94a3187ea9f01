//! The money of an order. Owner: order-svc.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::{Money, OrderId, PaymentId, Version};

text_enum! {
    /// Where the money of an order is.
    pub enum PaymentState {
        /// Nothing was asked yet.
        Initiated => "initiated",
        /// The gateway holds the amount for us.
        Authorised => "authorised",
        /// It is ours.
        Captured => "captured",
        /// Some of it went back.
        PartiallyRefunded => "partially_refunded",
        /// All of it went back.
        Refunded => "refunded",
        /// The hold was let go; nothing was taken.
        Voided => "voided",
        /// The gateway said no.
        Failed => "failed",
        /// We asked and do not know the answer: ask first, never act first.
        Unknown => "unknown",
    }
}

/// The whole payment after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentSnapshot {
    /// Which payment.
    pub id: PaymentId,
    /// Its version after the change.
    pub version: Version,
    /// Where the money is.
    pub state: PaymentState,
    /// The order it pays.
    pub order_id: OrderId,
    /// What the order costs.
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
