//! What the dispatcher knows at one moment: deliveries that are not over, everybody on shift, what they have, and where
//! they are. `city.rs` keeps it in memory, `snapshot.rs` turns it into what the engine looks at, `fixes.rs` knows where
//! riders are.

mod city;
mod fixes;
mod snapshot;

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use pannier_contracts::offer::OfferState;
use pannier_contracts::zone::Policy;
use pannier_contracts::{DeliveryId, Place, RiderId, ZoneId};
use pannier_platform::{Conn, Db, Refusal, timers};

pub use self::city::City;
use crate::domain::lifecycle::{is_carried, is_unassigned};
use crate::store::deliveries::Opened;
use crate::store::rounds::Last;
use crate::store::{self, Delivery, Offer, Rider};

/// So many of the newest orders tell where orders are to be expected.
const NEWEST: i64 = 3_000;

/// The city at one moment. Whoever looks at the same time looks at the same memory.
#[derive(Debug, Clone)]
pub struct Seen {
    /// By the database's clock.
    pub now: DateTime<Utc>,
    city: Arc<Gathered>,
}

impl Deref for Seen {
    type Target = Gathered;
    fn deref(&self) -> &Gathered {
        &self.city
    }
}

/// What PostgreSQL says.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// When it was read, by the database's clock.
    read_at: DateTime<Utc>,
    /// Without a rider.
    deliveries: BTreeMap<DeliveryId, Delivery>,
    /// Their newest rounds.
    newest: HashMap<DeliveryId, Last>,
    /// What riders have, in the order in which they took it.
    carried: BTreeMap<(Option<DateTime<Utc>>, DeliveryId), Delivery>,
    offers: HashMap<DeliveryId, Vec<Offer>>,
    riders: BTreeMap<RiderId, Rider>,
    /// How many open offers a rider has.
    open: HashMap<RiderId, u32>,
    zones: HashMap<ZoneId, (Policy, Vec<Place>)>,
}

impl Gathered {
    /// Reads it all.
    async fn read_all(conn: &mut Conn) -> Result<Self, Refusal> {
        let unassigned = store::deliveries::unassigned(conn, None).await?;
        let ids: Vec<DeliveryId> = unassigned.iter().map(|d| d.id).collect();
        let offers = store::offers::of_deliveries(conn, &ids).await?;
        let newest = store::rounds::newest(conn, &ids).await?;
        let carried = store::deliveries::carried(conn).await?;
        let riders = store::riders::on_shift(conn).await?;
        let zones = zones(conn).await?;
        let mut gathered = Self {
            read_at: timers::now(conn).await?,
            deliveries: unassigned.into_iter().map(|d| (d.id, d)).collect(),
            newest: newest.into_iter().map(|r| (r.delivery_id, r)).collect(),
            carried: carried.into_iter().map(|d| ((d.assigned_at, d.id), d)).collect(),
            offers: HashMap::new(),
            riders: riders.into_iter().map(|r| (r.id, r)).collect(),
            open: HashMap::new(),
            zones,
        };
        for offer in offers {
            gathered.offers.entry(offer.delivery_id).or_default().push(offer);
        }
        gathered.count_open();
        Ok(gathered)
    }

    /// Takes over what these deliveries and riders are now; those that are over, or off shift, go.
    fn update(&mut self, deliveries: Vec<Delivery>, offers: Vec<Offer>, riders: (&[RiderId], Vec<Rider>)) {
        for delivery in deliveries {
            self.put(delivery);
        }
        let mut by_delivery: HashMap<DeliveryId, Vec<Offer>> = HashMap::new();
        for offer in offers {
            by_delivery.entry(offer.delivery_id).or_default().push(offer);
        }
        self.offers.extend(by_delivery.into_iter().filter(|(id, _)| self.deliveries.contains_key(id)));
        for id in riders.0 {
            self.riders.remove(id);
        }
        let on_shift = riders.1.into_iter().filter(|r| r.status != pannier_contracts::rider::RiderStatus::Offline);
        self.riders.extend(on_shift.map(|r| (r.id, r)));
        self.count_open();
    }

    fn put(&mut self, delivery: Delivery) {
        self.deliveries.remove(&delivery.id);
        self.carried.retain(|(_, id), _| *id != delivery.id);
        if is_unassigned(delivery.state) {
            self.deliveries.insert(delivery.id, delivery);
            return;
        }
        self.newest.remove(&delivery.id);
        self.offers.remove(&delivery.id);
        if is_carried(delivery.state) {
            self.carried.insert((delivery.assigned_at, delivery.id), delivery);
        }
    }

    /// Only deliveries that want a rider have open offers.
    fn count_open(&mut self) {
        self.open.clear();
        for offer in self.offers.values().flatten().filter(|offer| offer.state == OfferState::Sent) {
            *self.open.entry(offer.rider_id).or_default() += 1;
        }
    }

    /// How many of its deliveries and riders another reading has otherwise: by their versions, and load.
    fn differences(&self, other: &Self) -> u64 {
        let delivery = |g: &Self, id: &DeliveryId| g.deliveries.get(id).map(|d| d.version);
        let rider = |g: &Self, id: &RiderId| g.riders.get(id).map(|r| (r.version, g.load(r)));
        let deliveries =
            self.deliveries.keys().chain(other.deliveries.keys()).collect::<std::collections::BTreeSet<_>>();
        let riders = self.riders.keys().chain(other.riders.keys()).collect::<std::collections::BTreeSet<_>>();
        let carried = self.carried.keys().collect::<std::collections::BTreeSet<_>>();
        let differing = deliveries.into_iter().filter(|id| delivery(self, id) != delivery(other, id)).count()
            + riders.into_iter().filter(|id| rider(self, id) != rider(other, id)).count()
            + carried.symmetric_difference(&other.carried.keys().collect()).count();
        differing as u64
    }
}

async fn zones(conn: &mut Conn) -> Result<HashMap<ZoneId, (Policy, Vec<Place>)>, Refusal> {
    let zones = store::zones::all(conn).await?;
    Ok(zones.into_iter().map(|z| (z.id, (z.policy, z.polygon))).collect())
}

/// Reads what customers ordered lately.
///
/// # Errors
/// What the database refuses.
pub async fn lately(db: &Db) -> Result<Vec<Opened>, Refusal> {
    db.read(|conn| store::deliveries::newest(conn, NEWEST).boxed()).await
}

impl Gathered {
    /// A zone's policy.
    #[must_use]
    pub fn policy(&self, zone: &ZoneId) -> Policy {
        self.zones.get(zone).map(|(policy, _)| policy.clone()).unwrap_or_default()
    }

    /// Does a delivery of this zone want a rider?
    #[must_use]
    pub fn has_waiting(&self, zone: &ZoneId) -> bool {
        self.deliveries.values().any(|d| d.zone_id == *zone)
    }

    /// A delivery that wants a rider, as it was read.
    #[must_use]
    pub fn delivery(&self, id: DeliveryId) -> Option<&Delivery> {
        self.deliveries.get(&id)
    }

    /// The newest round of a delivery that wants a rider.
    #[must_use]
    pub fn newest_round(&self, id: DeliveryId) -> Option<&Last> {
        self.newest.get(&id)
    }

    /// Orders on board and offers to be answered.
    fn load(&self, r: &Rider) -> u32 {
        u32::try_from(r.active).unwrap_or(0).saturating_add(self.open.get(&r.id).copied().unwrap_or(0))
    }
}
