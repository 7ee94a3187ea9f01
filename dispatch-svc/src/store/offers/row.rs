//! The row of an offer, and how events show it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use pannier_contracts::event::Snapshot;
use pannier_contracts::offer::{OfferSnapshot, OfferState};
use pannier_contracts::{DeliveryId, OfferId, OrderId, RiderId, RoundId, Version};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::deliveries::Delivery;
use crate::store::schema::offers;

/// An offer.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = offers)]
pub struct Offer {
    /// Its id.
    pub id: OfferId,
    /// The delivery that is offered.
    pub delivery_id: DeliveryId,
    /// The order of that delivery.
    pub order_id: OrderId,
    /// The rider who is asked.
    pub rider_id: RiderId,
    /// The delivery's attempt at which it was sent.
    pub attempt: i32,
    /// Its state.
    pub state: OfferState,
    /// Grows by one with every change that events announce.
    pub version: Version,
    /// The dispatcher's round that decided it.
    pub round_id: RoundId,
    /// The ready time that the rider was told.
    pub ready_at: DateTime<Utc>,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
    /// Until when it may be answered.
    pub expires_at: DateTime<Utc>,
    /// When it was accepted.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When it stopped being open; of an accepted one, when the assignment ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it was declined, revoked or ended.
    pub reason: Option<String>,
    /// Why this rider was asked, in a sentence for them.
    pub why: Option<String>,
}

/// An offer as the event log keeps it: what the rider's stream shows, so that the stream needs no query.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoggedOffer {
    /// As other services see it.
    #[serde(flatten)]
    pub offer: OfferSnapshot,
    /// Why this rider is asked; nothing about other riders.
    pub why: Option<String>,
}

impl Snapshot for LoggedOffer {
    const AGGREGATE: &'static str = OfferSnapshot::AGGREGATE;
    fn aggregate_id(&self) -> Uuid {
        self.offer.aggregate_id()
    }
    fn version(&self) -> Version {
        self.offer.version()
    }
}

impl Offer {
    /// As the event log keeps it; `delivery` is the one that is offered.
    #[must_use]
    pub fn logged(&self, delivery: &Delivery) -> LoggedOffer {
        let offer = OfferSnapshot {
            id: self.id,
            version: self.version,
            state: self.state,
            delivery_id: self.delivery_id,
            order_id: self.order_id,
            rider_id: self.rider_id,
            attempt: self.attempt,
            merchant_name: delivery.merchant_name.clone(),
            pickup: delivery.pickup,
            dropoff: delivery.dropoff,
            ready_at: self.ready_at,
            expires_at: self.expires_at,
        };
        LoggedOffer { offer, why: self.why.clone() }
    }
}
