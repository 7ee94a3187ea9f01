//! What the dispatcher knows at one moment: deliveries without a rider, everybody on shift, what they have, and where they are.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt as _;
use pannier_contracts::offer::OfferState;
use pannier_contracts::rider::RiderStatus;
use pannier_contracts::zone::Policy;
use pannier_contracts::{DeliveryId, Place, RiderId, ZoneId};
use pannier_engine as engine;
use pannier_platform::{Db, Refusal, timers};
use uuid::Uuid;

use crate::domain::route::{Leg, stops};
use crate::domain::zone::Moments;
use crate::fleet::Fleet;
use crate::store::rounds::Last;
use crate::store::{self, Delivery, Offer, Rider};

/// A rider who did not answer is not asked again for so long. Who declined is not asked again in this attempt.
/// They may just not have looked, and a small town has no other.
const SILENT_FOR: TimeDelta = TimeDelta::minutes(2);
/// As many riders who could be asked are looked for per shop: enough for a choice.
const WANTED: usize = 20;

/// What PostgreSQL says.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// By the database's clock.
    pub now: DateTime<Utc>,
    /// Without a rider.
    pub deliveries: Vec<Delivery>,
    /// Their newest rounds.
    pub newest: HashMap<Uuid, Last>,
    offers: HashMap<Uuid, Vec<Offer>>,
    riders: BTreeMap<RiderId, Rider>,
    open: HashMap<RiderId, u32>,
    legs: HashMap<RiderId, Vec<Leg>>,
    policies: HashMap<ZoneId, Policy>,
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
            let mut legs: HashMap<RiderId, Vec<Leg>> = HashMap::new();
            for d in store::deliveries::carried(conn).await? {
                let Some(rider) = d.rider() else { continue };
                let leg = Leg { state: d.state, pickup: d.pickup.0, dropoff: d.dropoff.0, ready_at: d.ready_at };
                legs.entry(rider).or_default().push(leg);
            }
            let open = store::offers::all_open_counts(conn).await?;
            let newest = store::rounds::newest(conn, &ids).await?;
            Ok(Some(Gathered {
                deliveries,
                newest: newest.into_iter().map(|r| (r.delivery_id, r)).collect(),
                offers,
                riders: store::riders::on_shift(conn).await?.into_iter().map(|r| (r.id, r)).collect(),
                open: open.into_iter().map(|(id, n)| (RiderId(id), u32::try_from(n).unwrap_or(u32::MAX))).collect(),
                legs,
                policies: store::zones::all(conn).await?.into_iter().map(|z| (z.id.0, z.policy.0)).collect(),
                now: timers::now(conn).await?,
            }))
        }
        .boxed()
    })
    .await
}

/// Where a rider is, and since when we know.
type Fixes = HashMap<RiderId, (Place, i64)>;

impl Gathered {
    /// The zones that have deliveries here, with their policies.
    #[must_use]
    pub fn zones(&self) -> BTreeMap<ZoneId, Policy> {
        let ids = self.deliveries.iter().map(|d| d.zone_id.0.clone());
        ids.map(|id| (id.clone(), self.policies.get(&id).cloned().unwrap_or_default())).collect()
    }

    /// A rider was asked: they count as busier for the rest of this tick.
    pub fn was_asked(&mut self, rider: RiderId) {
        *self.open.entry(rider).or_default() += 1;
    }

    /// One zone as the engine looks at it.
    pub async fn snapshot(&self, fleet: &Fleet, zone: &ZoneId, policy: &Policy) -> engine::Snapshot {
        let now_ms = self.now.timestamp_millis();
        let here: Vec<&Delivery> = self.deliveries.iter().filter(|d| d.zone_id.0 == *zone).collect();
        let deliveries: Vec<engine::Delivery> = here.iter().map(|d| self.delivery(d, policy)).collect();
        let wanting = here
            .iter()
            .zip(&deliveries)
            .filter(|(d, e)| e.offers_wanted > 0 && Moments::of(d.ready_at, policy).search_at <= self.now);
        let pickups: Vec<Place> = wanting.map(|(d, _)| d.pickup.0).collect();
        let fixes = self.fixes(fleet, &pickups, f64::from(policy.radius_m)).await;
        let riders = fixes.into_iter().filter_map(|(id, fix)| Some(self.rider(self.riders.get(&id)?, fix))).collect();
        engine::Snapshot { now_ms, deliveries, riders }
    }

    fn delivery(&self, d: &Delivery, policy: &Policy) -> engine::Delivery {
        let offers = self.offers.get(&d.id.0).map_or(&[][..], Vec::as_slice);
        let offered_to: Vec<RiderId> =
            offers.iter().filter(|o| o.state == OfferState::Sent).map(|o| o.rider_id).collect();
        let excluded: HashSet<RiderId> =
            offers.iter().filter(|o| excludes(o, d.attempt, self.now)).map(|o| o.rider_id).collect();
        let out = u32::try_from(offered_to.len()).unwrap_or(u32::MAX);
        engine::Delivery {
            id: d.id,
            pickup: d.pickup.0,
            dropoff: d.dropoff.0,
            ready_at_ms: d.ready_at.timestamp_millis(),
            promise_at_ms: d.promise_at.timestamp_millis(),
            opened_at_ms: d.opened_at.timestamp_millis(),
            excluded: excluded.into_iter().collect(),
            offers_wanted: policy.offers_per_delivery.saturating_sub(out),
            offered_to,
        }
    }

    fn rider(&self, r: &Rider, (place, seen_ms): (Place, i64)) -> engine::Rider {
        let now_ms = self.now.timestamp_millis();
        let legs = self.legs.get(&r.id).map_or(&[][..], Vec::as_slice);
        let (stops, busy_until_ms) = stops(legs, place, r.speed_mps, now_ms);
        engine::Rider {
            id: r.id,
            place,
            // Two clocks, ours and the database's: never from the future.
            fix_age_ms: now_ms.saturating_sub(seen_ms).max(0),
            speed_mps: r.speed_mps,
            available: r.status == RiderStatus::Available,
            stale: r.stale,
            load: self.load(r),
            capacity: u32::try_from(r.capacity).unwrap_or(0),
            stops,
            busy_until_ms,
            idle_since_ms: r.idle_since.timestamp_millis(),
            acceptance_permille: r.acceptance_permille(),
            rating_permille: 1_000,
        }
    }

    fn load(&self, r: &Rider) -> u32 {
        u32::try_from(r.active).unwrap_or(0).saturating_add(self.open.get(&r.id).copied().unwrap_or(0))
    }

    fn could_be_asked(&self, id: RiderId) -> bool {
        self.riders.get(&id).is_some_and(|r| {
            r.status == RiderStatus::Available && !r.stale && self.load(r) < u32::try_from(r.capacity).unwrap_or(0)
        })
    }

    /// Where the riders around these shops are. Redis says it exactly; where it says nothing, PostgreSQL says it coarsely:
    /// an empty answer never means that nobody is there.
    async fn fixes(&self, fleet: &Fleet, pickups: &[Place], radius_m: f64) -> Fixes {
        let mut fixes = Fixes::new();
        let mut looked: HashSet<(u64, u64)> = HashSet::new();
        for pickup in pickups {
            if !looked.insert((pickup.lat().to_bits(), pickup.lng().to_bits())) {
                continue;
            }
            let found = fleet.near(pickup, radius_m, WANTED, |id| self.could_be_asked(id)).await.unwrap_or_default();
            let known = found.iter().filter(|f| self.could_be_asked(f.rider)).count();
            for f in found {
                newest(&mut fixes, f.rider, (f.place, f.seen_ms));
            }
            if known < WANTED {
                for (id, fix) in self.coarse(pickup, radius_m) {
                    newest(&mut fixes, id, fix);
                }
            }
        }
        fixes
    }

    fn coarse<'a>(&'a self, pickup: &'a Place, radius_m: f64) -> impl Iterator<Item = (RiderId, (Place, i64))> + 'a {
        self.riders.values().filter_map(move |r| {
            let place = store::riders::last_place(r)?;
            let seen_ms = r.last_seen_at?.timestamp_millis();
            (place.distance_m(pickup) <= radius_m).then_some((r.id, (place, seen_ms)))
        })
    }

    /// The version at which a delivery was read.
    #[must_use]
    pub fn read(&self, id: DeliveryId) -> Option<&Delivery> {
        self.deliveries.iter().find(|d| d.id == id)
    }
}

fn newest(fixes: &mut Fixes, rider: RiderId, fix: (Place, i64)) {
    let known = fixes.entry(rider).or_insert(fix);
    if known.1 < fix.1 {
        *known = fix;
    }
}

/// Does this offer keep its rider from being asked again?
fn excludes(offer: &Offer, attempt: i32, now: DateTime<Utc>) -> bool {
    match offer.state {
        OfferState::Declined => offer.attempt == attempt,
        OfferState::Expired => offer.attempt == attempt && offer.ended_at.is_none_or(|at| now - at < SILENT_FOR),
        // It was just taken from them.
        OfferState::Accepted => offer.attempt == attempt - 1,
        OfferState::Sent | OfferState::Revoked => false,
    }
}
