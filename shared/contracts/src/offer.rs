//! A delivery offered to one rider. Owner: dispatch-svc; seen by riders in their stream.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::{DeliveryId, OfferId, OrderId, Place, RiderId, Version};

text_enum! {
    /// Where an offer is. In time or not is decided by the database's clock.
    pub enum OfferState {
        /// The rider may answer.
        Sent => "sent",
        /// The rider took it. The assignment lasts until `ended_at`.
        Accepted => "accepted",
        /// The rider said no.
        Declined => "declined",
        /// The rider did not answer in time.
        Expired => "expired",
        /// It was taken back: another rider won, or the delivery changed.
        Revoked => "revoked",
    }
}

/// The whole offer after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfferSnapshot {
    /// Which offer.
    pub id: OfferId,
    /// Its version after the change.
    pub version: Version,
    /// Where it is.
    pub state: OfferState,
    /// What is offered.
    pub delivery_id: DeliveryId,
    /// The order to carry.
    pub order_id: OrderId,
    /// To whom.
    pub rider_id: RiderId,
    /// Which attempt of the delivery it belongs to.
    pub attempt: i32,
    /// The shop's name.
    pub merchant_name: String,
    /// Where the shop is.
    pub pickup: Place,
    /// Where the customer is.
    pub dropoff: Place,
    /// When the kitchen means to be done.
    pub ready_at: DateTime<Utc>,
    /// Until when it may be answered.
    pub expires_at: DateTime<Utc>,
}

impl Snapshot for OfferSnapshot {
    const AGGREGATE: &'static str = "offer";
    fn aggregate_id(&self) -> Uuid {
        self.id.0
    }
    fn version(&self) -> Version {
        self.version
    }
}
