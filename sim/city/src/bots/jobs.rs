//! A rider's open deliveries, merged by version from answers, streams and polls that may be stale, duplicated or late.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::{DeliveryId, MerchantId, OrderId, Place, RiderId, Version};

use pannier_client::DeliveryView;

/// The rider's next step of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Assigned; the arrival at the shop is not confirmed.
    ToPickup,
    /// At the shop, the food not collected.
    AtPickup,
    /// Collected, on the way to the customer.
    Carried,
    /// At the customer.
    AtDropoff,
    /// On the way back to the shop.
    Returning,
}

/// One open delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The delivery.
    pub id: DeliveryId,
    /// The newest version that is known.
    pub version: Version,
    /// The order, whose customer knows the PIN.
    pub order: OrderId,
    /// The rider's next step.
    pub stage: Stage,
    /// The shop.
    pub merchant: MerchantId,
    /// The shop's place.
    pub pickup: Place,
    /// The customer's place.
    pub dropoff: Place,
    /// When the food is expected to be ready.
    pub ready_at: DateTime<Utc>,
}

impl Job {
    /// Whether the food is still at the shop.
    #[must_use]
    pub const fn is_before_pickup(&self) -> bool {
        matches!(self.stage, Stage::ToPickup | Stage::AtPickup)
    }
}

/// All open deliveries of one rider.
#[derive(Debug)]
pub struct Jobs {
    rider: RiderId,
    open: BTreeMap<DeliveryId, Job>,
    /// Deliveries that ended or were reassigned, with the version that said so: older versions must not reopen them.
    over: HashMap<DeliveryId, Version>,
}

impl Jobs {
    /// No deliveries yet.
    #[must_use]
    pub fn of(rider: RiderId) -> Self {
        Self { rider, open: BTreeMap::new(), over: HashMap::new() }
    }

    /// Applies a delivery's record, unless the same or a newer version is known.
    pub fn apply(&mut self, view: &DeliveryView) {
        let d = &view.delivery;
        let known = self.open.get(&d.id).map(|j| j.version).max(self.over.get(&d.id).copied());
        if known.is_some_and(|known| known >= d.version) {
            return;
        }
        let stage = match d.state {
            DeliveryState::Assigned => Some(Stage::ToPickup),
            DeliveryState::AtPickup => Some(Stage::AtPickup),
            DeliveryState::PickedUp => Some(Stage::Carried),
            DeliveryState::AtDropoff => Some(Stage::AtDropoff),
            DeliveryState::Returning => Some(Stage::Returning),
            _ => None,
        };
        match stage.filter(|_| d.rider_id == Some(self.rider)) {
            Some(stage) => {
                self.over.remove(&d.id);
                let job = Job {
                    id: d.id,
                    version: d.version,
                    order: d.order_id,
                    stage,
                    merchant: d.merchant_id,
                    pickup: view.pickup,
                    dropoff: view.dropoff,
                    ready_at: d.ready_at,
                };
                self.open.insert(d.id, job);
            }
            None => {
                self.open.remove(&d.id);
                self.over.insert(d.id, d.version);
            }
        }
    }

    /// Removes a delivery that is no longer assigned to this rider.
    pub fn remove(&mut self, id: DeliveryId) {
        if let Some(job) = self.open.remove(&id) {
            self.over.insert(id, job.version);
        }
    }

    /// An open delivery.
    #[must_use]
    pub fn get(&self, id: DeliveryId) -> Option<&Job> {
        self.open.get(&id)
    }

    /// All open deliveries, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.open.values()
    }

    /// Deliveries to collect at this shop, earliest ready time first.
    #[must_use]
    pub fn at_shop(&self, merchant: MerchantId) -> Vec<&Job> {
        let here = self.open.values().filter(|j| j.merchant == merchant && j.is_before_pickup());
        let mut here: Vec<_> = here.collect();
        here.sort_by_key(|j| (j.ready_at, j.id));
        here
    }

    /// Whether there are no open deliveries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bots::samples::view;

    #[test]
    fn stale_and_late_records_change_nothing() {
        let rider = RiderId::generate();
        let mut jobs = Jobs::of(rider);
        let assigned = view(rider, DeliveryState::Assigned, 4);
        let mut picked_up = assigned.clone();
        (picked_up.delivery.state, picked_up.delivery.version) = (DeliveryState::PickedUp, Version(6));
        let mut delivered = picked_up.clone();
        (delivered.delivery.state, delivered.delivery.version) = (DeliveryState::Delivered, Version(8));
        let id = assigned.delivery.id;

        jobs.apply(&picked_up);
        jobs.apply(&assigned);
        assert_eq!(jobs.get(id).map(|j| j.stage), Some(Stage::Carried));
        jobs.apply(&delivered);
        jobs.apply(&picked_up);
        assert!(jobs.is_empty());
    }

    #[test]
    fn a_reassigned_delivery_is_removed_and_may_return() {
        let rider = RiderId::generate();
        let mut jobs = Jobs::of(rider);
        let mut record = view(rider, DeliveryState::Assigned, 4);
        jobs.apply(&record);
        (record.delivery.rider_id, record.delivery.version) = (Some(RiderId::generate()), Version(7));
        jobs.apply(&record);
        assert!(jobs.is_empty());
        (record.delivery.rider_id, record.delivery.version) = (Some(rider), Version(10));
        jobs.apply(&record);
        assert!(!jobs.is_empty());
        jobs.remove(record.delivery.id);
        jobs.apply(&record);
        assert!(jobs.is_empty(), "the same version again");
    }
}
