//! What the dispatcher knows at one moment: deliveries that are not over, everybody on shift, what they have, and where
//! they are. `snapshot.rs` turns it into what the engine looks at, `fixes.rs` knows where riders are.

mod fixes;
mod snapshot;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use pannier_contracts::zone::Policy;
use pannier_contracts::{DeliveryId, Place, RiderId, ZoneId};
use pannier_platform::{Db, Refusal, timers};
use uuid::Uuid;

use crate::store::deliveries::Opened;
use crate::store::rounds::Last;
use crate::store::{self, Delivery, Offer, Rider};

/// So many of the newest orders tell where orders are to be expected.
const NEWEST: i64 = 3_000;

/// What PostgreSQL says.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// By the database's clock.
    pub now: DateTime<Utc>,
    /// Without a rider, by id.
    pub deliveries: Vec<Delivery>,
    /// Their newest rounds.
    pub newest: HashMap<Uuid, Last>,
    /// What riders have, in the order in which they took it.
    carried: Vec<Delivery>,
    offers: HashMap<Uuid, Vec<Offer>>,
    riders: BTreeMap<RiderId, Rider>,
    /// How many open offers a rider has.
    open: HashMap<RiderId, u32>,
    zones: HashMap<ZoneId, (Policy, Vec<Place>)>,
}

/// Reads it all; `None` when nobody waits for a rider.
///
/// # Errors
/// What the database says.
pub async fn gather(db: &Db) -> Result<Option<Gathered>, Refusal> {
    db.read(|conn| {
        async move {
            let deliveries = store::deliveries::unassigned(conn, None).await?;
            if deliveries.is_empty() {
                return Ok(None);
            }
            let ids: Vec<Uuid> = deliveries.iter().map(|d| d.id.0).collect();
            let mut offers: HashMap<Uuid, Vec<Offer>> = HashMap::new();
            for offer in store::offers::of_deliveries(conn, &ids).await? {
                offers.entry(offer.delivery_id.0).or_default().push(offer);
            }
            let open = store::offers::all_open_counts(conn).await?;
            let newest = store::rounds::newest(conn, &ids).await?;
            let zones = store::zones::all(conn).await?;
            Ok(Some(Gathered {
                deliveries,
                newest: newest.into_iter().map(|r| (r.delivery_id, r)).collect(),
                carried: store::deliveries::carried(conn).await?,
                offers,
                riders: store::riders::on_shift(conn).await?.into_iter().map(|r| (r.id, r)).collect(),
                open: open.into_iter().map(|(id, n)| (RiderId(id), u32::try_from(n).unwrap_or(u32::MAX))).collect(),
                zones: zones.into_iter().map(|z| (z.id.0, (z.policy.0, z.polygon.0))).collect(),
                now: timers::now(conn).await?,
            }))
        }
        .boxed()
    })
    .await
}

/// Reads what customers ordered lately.
///
/// # Errors
/// What the database says.
pub async fn lately(db: &Db) -> Result<Vec<Opened>, Refusal> {
    db.read(|conn| store::deliveries::newest(conn, NEWEST).boxed()).await
}

impl Gathered {
    /// The zones that have deliveries here, with their policies.
    #[must_use]
    pub fn zones(&self) -> BTreeMap<ZoneId, Policy> {
        let ids = self.deliveries.iter().map(|d| d.zone_id.0.clone());
        ids.map(|id| (id.clone(), self.zones.get(&id).map(|(policy, _)| policy.clone()).unwrap_or_default())).collect()
    }

    /// A rider was asked: they count as busier for the rest of this tick.
    pub fn was_asked(&mut self, rider: RiderId) {
        *self.open.entry(rider).or_default() += 1;
    }

    /// A delivery that wants a rider, as it was read.
    #[must_use]
    pub fn read(&self, id: DeliveryId) -> Option<&Delivery> {
        // By id: PostgreSQL orders UUIDs as we do.
        self.deliveries.binary_search_by_key(&id, |d| d.id).ok().and_then(|n| self.deliveries.get(n))
    }

    /// Orders on board and offers to be answered.
    fn load(&self, r: &Rider) -> u32 {
        u32::try_from(r.active).unwrap_or(0).saturating_add(self.open.get(&r.id).copied().unwrap_or(0))
    }
}
