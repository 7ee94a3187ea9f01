//! What a rider has to do, kept from answers, streams and polls that may be old, double or late.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::{DeliveryId, MerchantId, OrderId, Place, RiderId, Version};

use pannier_client::DeliveryView;

/// Where one delivery is, from the rider's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Assigned; the shop does not know yet that we are there.
    ToPickup,
    /// At the counter.
    AtPickup,
    /// In the bag.
    Carried,
    /// At the door.
    AtDropoff,
    /// On its way back to the shop.
    Returning,
}

/// One delivery to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Which delivery.
    pub id: DeliveryId,
    /// Its version, as far as we know.
    pub version: Version,
    /// Whose PIN to ask for.
    pub order: OrderId,
    /// Where it is.
    pub stage: Stage,
    /// Which shop.
    pub merchant: MerchantId,
    /// Where the shop is.
    pub pickup: Place,
    /// Where the customer is.
    pub dropoff: Place,
    /// When the kitchen means to be done.
    pub ready_at: DateTime<Utc>,
}

impl Job {
    /// The food is still at the shop.
    #[must_use]
    pub const fn is_before_pickup(&self) -> bool {
        matches!(self.stage, Stage::ToPickup | Stage::AtPickup)
    }
}

/// Everything a rider has to do.
#[derive(Debug)]
pub struct Jobs {
    me: RiderId,
    open: BTreeMap<DeliveryId, Job>,
    /// Deliveries that are over for us, by the version that said so: older news must not bring them back.
    over: HashMap<DeliveryId, Version>,
}

impl Jobs {
    /// Nothing to do yet.
    #[must_use]
    pub fn of(me: RiderId) -> Self {
        Self { me, open: BTreeMap::new(), over: HashMap::new() }
    }

    /// Takes news of a delivery.
    pub fn learn(&mut self, view: &DeliveryView) {
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
        match stage.filter(|_| d.rider_id == Some(self.me)) {
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

    /// The delivery is not ours any more, as far as anybody tells us.
    pub fn lose(&mut self, id: DeliveryId) {
        if let Some(job) = self.open.remove(&id) {
            self.over.insert(id, job.version);
        }
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: DeliveryId) -> Option<&Job> {
        self.open.get(&id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.open.values()
    }

    /// Those whose food waits at this shop, the earliest ready first.
    #[must_use]
    pub fn at_shop(&self, merchant: MerchantId) -> Vec<&Job> {
        let here = self.open.values().filter(|j| j.merchant == merchant && j.is_before_pickup());
        let mut here: Vec<_> = here.collect();
        here.sort_by_key(|j| (j.ready_at, j.id));
        here
    }

    /// Nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bots::route::tests::view;

    #[test]
    fn old_and_late_news_change_nothing() {
        let me = RiderId::generate();
        let mut jobs = Jobs::of(me);
        let assigned = view(me, DeliveryState::Assigned, 4);
        let mut picked_up = assigned.clone();
        (picked_up.delivery.state, picked_up.delivery.version) = (DeliveryState::PickedUp, Version(6));
        let mut delivered = picked_up.clone();
        (delivered.delivery.state, delivered.delivery.version) = (DeliveryState::Delivered, Version(8));
        let id = assigned.delivery.id;

        jobs.learn(&picked_up);
        jobs.learn(&assigned);
        assert_eq!(jobs.get(id).map(|j| j.stage), Some(Stage::Carried));
        jobs.learn(&delivered);
        jobs.learn(&picked_up);
        assert!(jobs.is_empty());
    }

    #[test]
    fn a_delivery_that_went_to_somebody_else_is_dropped_and_may_come_back() {
        let me = RiderId::generate();
        let mut jobs = Jobs::of(me);
        let mut news = view(me, DeliveryState::Assigned, 4);
        jobs.learn(&news);
        (news.delivery.rider_id, news.delivery.version) = (Some(RiderId::generate()), Version(7));
        jobs.learn(&news);
        assert!(jobs.is_empty());
        (news.delivery.rider_id, news.delivery.version) = (Some(me), Version(10));
        jobs.learn(&news);
        assert!(!jobs.is_empty());
        jobs.lose(news.delivery.id);
        jobs.learn(&news);
        assert!(jobs.is_empty(), "the same news again");
    }
}
