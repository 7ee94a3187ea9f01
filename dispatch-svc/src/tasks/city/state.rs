//! The rows that the dispatcher plans with, as one value.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use pannier_contracts::offer::OfferState;
use pannier_contracts::rider::RiderStatus;
use pannier_contracts::zone::{Policy, ZoneSnapshot};
use pannier_contracts::{DeliveryId, RiderId, ZoneId};
use pannier_platform::{Conn, Refusal, timers};

use crate::domain::lifecycle::{is_carried, is_unassigned};
use crate::store::rounds::LatestRound;
use crate::store::{self, Delivery, Offer, Rider};

/// The rows that the dispatcher plans with.
#[derive(Debug, Clone)]
pub struct CityState {
    /// When all of it was read, by the database's clock.
    pub(super) read_at: DateTime<Utc>,
    /// Deliveries without a rider.
    pub(super) deliveries: BTreeMap<DeliveryId, Delivery>,
    /// Their newest rounds.
    pub(super) rounds: HashMap<DeliveryId, LatestRound>,
    /// Their offers, oldest first.
    pub(super) offers: HashMap<DeliveryId, Vec<Offer>>,
    /// Deliveries that riders carry or fetch, in the order in which they were accepted.
    pub(super) carried: BTreeMap<(Option<DateTime<Utc>>, DeliveryId), Delivery>,
    /// Riders on shift.
    pub(super) riders: BTreeMap<RiderId, Rider>,
    /// The number of open offers of each rider who has any.
    open_offers: HashMap<RiderId, u32>,
    pub(super) zones: HashMap<ZoneId, ZoneSnapshot>,
}

/// Rows that have changed, as they are now.
#[derive(Debug)]
pub(super) struct Update {
    /// Deliveries in whatever state.
    pub deliveries: Vec<Delivery>,
    /// All offers of those of them that are without a rider.
    pub offers: Vec<Offer>,
    /// The riders who were read.
    pub riders_read: Vec<RiderId>,
    /// Their rows, on shift or not.
    pub riders: Vec<Rider>,
    /// All zones, if one has changed.
    pub zones: Option<Vec<ZoneSnapshot>>,
}

impl CityState {
    /// Reads everything.
    pub(super) async fn read(conn: &mut Conn) -> Result<Self, Refusal> {
        let unassigned = store::deliveries::unassigned(conn, None).await?;
        let ids: Vec<DeliveryId> = unassigned.iter().map(|d| d.id).collect();
        let offers = store::offers::of_deliveries(conn, &ids).await?;
        let rounds = store::rounds::newest(conn, &ids).await?;
        let carried = store::deliveries::carried(conn).await?;
        let riders = store::riders::on_shift(conn).await?;
        let zones = store::zones::all(conn).await?;
        let mut state = Self {
            read_at: timers::now(conn).await?,
            deliveries: unassigned.into_iter().map(|d| (d.id, d)).collect(),
            rounds: rounds.into_iter().map(|r| (r.delivery_id, r)).collect(),
            offers: by_delivery(offers),
            carried: carried.into_iter().map(|d| ((d.assigned_at, d.id), d)).collect(),
            riders: riders.into_iter().map(|r| (r.id, r)).collect(),
            open_offers: HashMap::new(),
            zones: by_id(zones),
        };
        state.count_open_offers();
        Ok(state)
    }

    /// Takes over rows that have changed; deliveries that have ended and riders who are not on shift are removed.
    pub(super) fn update(&mut self, update: Update) {
        for delivery in update.deliveries {
            self.put(delivery);
        }
        let offers = by_delivery(update.offers);
        self.offers.extend(offers.into_iter().filter(|(id, _)| self.deliveries.contains_key(id)));
        for id in &update.riders_read {
            self.riders.remove(id);
        }
        let on_shift = update.riders.into_iter().filter(|r| r.status != RiderStatus::Offline);
        self.riders.extend(on_shift.map(|r| (r.id, r)));
        self.count_open_offers();
        if let Some(zones) = update.zones {
            self.zones = by_id(zones);
        }
    }

    fn put(&mut self, delivery: Delivery) {
        self.deliveries.remove(&delivery.id);
        self.carried.retain(|(_, id), _| *id != delivery.id);
        if is_unassigned(delivery.state) {
            self.deliveries.insert(delivery.id, delivery);
            return;
        }
        self.rounds.remove(&delivery.id);
        self.offers.remove(&delivery.id);
        if is_carried(delivery.state) {
            self.carried.insert((delivery.assigned_at, delivery.id), delivery);
        }
    }

    /// Takes over deliveries and offers that this process has just written, unless newer rows are known already.
    pub(super) fn take_over(&mut self, deliveries: Vec<Delivery>, offers: Vec<Offer>, rounds: Vec<LatestRound>) {
        for delivery in deliveries {
            if self.deliveries.get(&delivery.id).is_some_and(|known| known.version < delivery.version) {
                self.deliveries.insert(delivery.id, delivery);
            }
        }
        for offer in offers {
            if self.deliveries.contains_key(&offer.delivery_id) {
                let offers = self.offers.entry(offer.delivery_id).or_default();
                if offers.iter().all(|known| known.id != offer.id) {
                    offers.push(offer);
                }
            }
        }
        self.count_open_offers();
        self.rounds.extend(rounds.into_iter().map(|round| (round.delivery_id, round)));
    }

    /// Only deliveries without a rider have open offers, so all of them are known here.
    fn count_open_offers(&mut self) {
        self.open_offers.clear();
        for offer in self.offers.values().flatten().filter(|offer| offer.state == OfferState::Sent) {
            *self.open_offers.entry(offer.rider_id).or_default() += 1;
        }
    }

    /// The number of deliveries and riders that another state has otherwise, by their versions and loads.
    pub(super) fn differences(&self, other: &Self) -> u64 {
        let delivery = |state: &Self, id: &DeliveryId| state.deliveries.get(id).map(|d| d.version);
        let rider = |state: &Self, id: &RiderId| state.riders.get(id).map(|r| (r.version, state.load(r)));
        let deliveries: BTreeSet<_> = self.deliveries.keys().chain(other.deliveries.keys()).collect();
        let riders: BTreeSet<_> = self.riders.keys().chain(other.riders.keys()).collect();
        let carried: BTreeSet<_> = self.carried.keys().collect();
        let differing = deliveries.into_iter().filter(|id| delivery(self, id) != delivery(other, id)).count()
            + riders.into_iter().filter(|id| rider(self, id) != rider(other, id)).count()
            + carried.symmetric_difference(&other.carried.keys().collect()).count();
        differing as u64
    }

    /// A zone's policy; the default one where the zone does not exist.
    #[must_use]
    pub fn policy(&self, zone: &ZoneId) -> Policy {
        self.zones.get(zone).map(|zone| zone.policy.clone()).unwrap_or_default()
    }

    /// Does a delivery of this zone have no rider?
    #[must_use]
    pub fn has_waiting(&self, zone: &ZoneId) -> bool {
        self.deliveries.values().any(|d| d.zone_id == *zone)
    }

    /// A delivery without a rider.
    #[must_use]
    pub fn delivery(&self, id: DeliveryId) -> Option<&Delivery> {
        self.deliveries.get(&id)
    }

    /// Is this rider on shift?
    #[must_use]
    pub fn is_on_shift(&self, id: RiderId) -> bool {
        self.riders.contains_key(&id)
    }

    /// The newest round of a delivery without a rider.
    #[must_use]
    pub fn latest_round(&self, id: DeliveryId) -> Option<&LatestRound> {
        self.rounds.get(&id)
    }

    /// Accepted deliveries and open offers of a rider.
    pub(super) fn load(&self, r: &Rider) -> u32 {
        u32::try_from(r.active).unwrap_or(0).saturating_add(self.open_offers.get(&r.id).copied().unwrap_or(0))
    }
}

fn by_delivery(offers: Vec<Offer>) -> HashMap<DeliveryId, Vec<Offer>> {
    let mut by_delivery: HashMap<DeliveryId, Vec<Offer>> = HashMap::new();
    for offer in offers {
        by_delivery.entry(offer.delivery_id).or_default().push(offer);
    }
    by_delivery
}

fn by_id(zones: Vec<ZoneSnapshot>) -> HashMap<ZoneId, ZoneSnapshot> {
    zones.into_iter().map(|zone| (zone.id.clone(), zone)).collect()
}
