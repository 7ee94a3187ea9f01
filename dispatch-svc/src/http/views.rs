//! Response types that several handlers share.

use pannier_contracts::Place;
use pannier_contracts::delivery::DeliverySnapshot;
use pannier_contracts::rider::RiderSnapshot;
use serde::Serialize;

use crate::domain::actions;
use crate::store::offers::LoggedOffer;
use crate::store::{Delivery, Offer, Rider};

/// A rider, with what the caller may do.
#[derive(Debug, Clone, Serialize)]
pub struct RiderView {
    #[serde(flatten)]
    rider: RiderSnapshot,
    allowed_actions: Vec<&'static str>,
}

impl RiderView {
    /// As operations see them.
    #[must_use]
    pub fn for_ops(rider: &Rider) -> Self {
        Self { rider: rider.snapshot(), allowed_actions: actions::of_ops_with_shift(rider.status) }
    }
}

impl From<&Rider> for RiderView {
    fn from(rider: &Rider) -> Self {
        Self { rider: rider.snapshot(), allowed_actions: actions::of_shift(rider.status) }
    }
}

/// An offer, with what its rider may do.
#[derive(Debug, Clone, Serialize)]
pub struct OfferView {
    #[serde(flatten)]
    record: LoggedOffer,
    allowed_actions: Vec<&'static str>,
}

impl OfferView {
    /// An offer as its rider sees it; `delivery` is the one that is offered.
    #[must_use]
    pub fn of(offer: &Offer, delivery: &Delivery) -> Self {
        Self { record: offer.logged(delivery), allowed_actions: actions::of_offer(offer.state) }
    }
}

/// A delivery as streams show it: without actions.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryRecord {
    /// As other services see it.
    #[serde(flatten)]
    pub delivery: DeliverySnapshot,
    /// The shop's name.
    pub merchant_name: String,
    /// Where the shop is.
    pub pickup: Place,
    /// Where the customer is.
    pub dropoff: Place,
}

impl DeliveryRecord {
    /// A snapshot with the addresses of its row.
    #[must_use]
    pub fn of(delivery: DeliverySnapshot, row: &Delivery) -> Self {
        Self { delivery, merchant_name: row.merchant_name.clone(), pickup: row.pickup, dropoff: row.dropoff }
    }
}

/// A delivery, with what the caller may do.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryView {
    #[serde(flatten)]
    record: DeliveryRecord,
    allowed_actions: Vec<&'static str>,
}

impl DeliveryView {
    /// As its rider sees it.
    #[must_use]
    pub fn for_rider(row: &Delivery) -> Self {
        Self { record: DeliveryRecord::of(row.snapshot(), row), allowed_actions: actions::of_carried(row.state) }
    }

    /// As operations see it.
    #[must_use]
    pub fn for_ops(row: &Delivery) -> Self {
        Self { record: DeliveryRecord::of(row.snapshot(), row), allowed_actions: actions::of_ops(row.state) }
    }
}
