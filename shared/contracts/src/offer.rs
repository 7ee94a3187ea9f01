//! An offer of a delivery to one rider. Owner: dispatch-svc. Not published; riders see it in their stream.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::{DeliveryId, OfferId, OrderId, Place, RiderId, Version};

text_enum! {
    /// The state of an offer.
    pub enum OfferState {
        /// The rider can answer until `expires_at`, by the clock of the database.
        Sent => "sent",
        /// The rider accepted.
        Accepted => "accepted",
        /// The rider declined.
        Declined => "declined",
        /// The rider did not answer in time.
        Expired => "expired",
        /// Withdrawn: another rider accepted, or the delivery changed.
        Revoked => "revoked",
    }
}

/// The whole offer after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfferSnapshot {
    /// The offer's id.
    pub id: OfferId,
    /// Its version after the change.
    pub version: Version,
    /// Its state after the change.
    pub state: OfferState,
    /// The delivery that is offered.
    pub delivery_id: DeliveryId,
    /// The delivery's order.
    pub order_id: OrderId,
    /// The rider who is asked.
    pub rider_id: RiderId,
    /// The delivery's `attempt` when the offer was made.
    pub attempt: i32,
    /// The shop's name.
    pub merchant_name: String,
    /// Where the shop is.
    pub pickup: Place,
    /// Where the customer is.
    pub dropoff: Place,
    /// When the food will be ready, as known when the offer was made.
    pub ready_at: DateTime<Utc>,
    /// The rider can answer before this time.
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
