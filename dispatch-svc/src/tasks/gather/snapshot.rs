//! One zone as the engine looks at it.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::offer::OfferState;
use pannier_contracts::rider::RiderStatus;
use pannier_contracts::zone::Policy;
use pannier_contracts::{Area, DeliveryId, Place, RiderId, ZoneId};
use pannier_engine::{self as engine, Plane, Ready, TravelModel};

use super::Seen;
use crate::domain::route::{Ahead, Leg, ahead};
use crate::fleet::Fleet;
use crate::store::{Delivery, Offer, Rider};
use crate::tasks::kitchens;
use crate::tasks::outlook::Lately;

/// A rider who did not answer is not asked again for so long. Who declined is not asked again in this attempt.
/// They may just not have looked, and a small town has no other.
const SILENT_FOR: TimeDelta = TimeDelta::minutes(2);
/// Riders stand so long at a counter and at a door, minutes of the city.
const SERVICE_MIN: i64 = 2;
/// Nobody here knows when a shift will end.
const NEVER_MS: i64 = i64::MAX / 4;

/// Travel and service times where a minute of the city takes `minute_ms`.
fn travel_model(minute_ms: i64) -> TravelModel {
    TravelModel { counter_ms: SERVICE_MIN * minute_ms, door_ms: SERVICE_MIN * minute_ms, ..TravelModel::default() }
}

impl Seen {
    /// One zone as the engine looks at it: its deliveries that are not picked up, the riders around them, and whatever
    /// else those riders have to fetch or were asked for, so that nobody takes them for free. `None` without a delivery
    /// that wants a rider. With it, whether positions are Redis's.
    pub async fn snapshot(
        &self,
        fleet: &Fleet,
        zone: &ZoneId,
        policy: &Policy,
        lately: &Lately,
    ) -> Option<(engine::Snapshot, bool)> {
        let here: Vec<&Delivery> = self.deliveries.values().filter(|d| d.zone_id == *zone).collect();
        // Any place of the zone will do, if it is the same for everything in the snapshot.
        let plane = Plane::around(&here.first()?.pickup);
        let minute_ms = policy.minute_ms;
        let travel = travel_model(minute_ms);

        let asked = here.iter().flat_map(|d| self.open_offers(d)).map(|o| o.rider_id);
        let busy = self.carried.values().filter(|d| d.zone_id == *zone).filter_map(|d| d.rider_id);
        let pickups = here.iter().map(|d| d.pickup);
        let (fixes, is_exact) = self.fixes(fleet, pickups, f64::from(policy.radius_m), asked.chain(busy)).await;

        let legs = self.legs();
        let riders: Vec<engine::Rider> = fixes
            .iter()
            .filter_map(|(id, fix)| {
                let rider = self.riders.get(id)?;
                let legs = legs.get(id).map_or(&[][..], Vec::as_slice);
                Some(self.rider(rider, *fix, legs, &plane, &travel))
            })
            .collect();

        let to_fetch = |d: &&Delivery| matches!(d.state, DeliveryState::Assigned | DeliveryState::AtPickup);
        let in_kitchens = here.iter().copied().chain(self.carried.values().filter(to_fetch));
        let in_kitchens = in_kitchens.filter(|d| d.zone_id == *zone);
        // Without anything to go by, what the shop says.
        let word = lately.word(zone, minute_ms);
        let ready = word.map(|word| word.ready(in_kitchens, self.now)).unwrap_or_default();

        let listed: HashSet<RiderId> = riders.iter().map(|r| r.id).collect();
        let mut deliveries: BTreeMap<DeliveryId, engine::Delivery> = BTreeMap::new();
        for d in self.deliveries.values() {
            if d.zone_id == *zone || self.open_offers(d).any(|o| listed.contains(&o.rider_id)) {
                // Those of another zone are decided there.
                let wanted = if d.zone_id == *zone { policy.offers_per_delivery } else { 0 };
                deliveries.insert(d.id, self.engine_delivery(d, wanted, &plane, &ready));
            }
        }
        for d in self.carried.values().filter(to_fetch) {
            if d.rider_id.is_some_and(|rider| listed.contains(&rider)) {
                deliveries.insert(d.id, self.engine_delivery(d, 0, &plane, &ready));
            }
        }
        let snapshot = engine::Snapshot {
            now_ms: self.now.timestamp_millis(),
            travel,
            deliveries: deliveries.into_values().collect(),
            riders,
            forecast: lately.outlook(zone, &plane, self.now, minute_ms, self.riders_on_shift(zone)),
            previous: Vec::new(),
        };
        Some((snapshot, is_exact))
    }

    /// Offers of a delivery that are not answered.
    fn open_offers(&self, d: &Delivery) -> impl Iterator<Item = &Offer> {
        self.offers.get(&d.id).into_iter().flatten().filter(|o| o.state == OfferState::Sent)
    }

    fn engine_delivery(
        &self,
        d: &Delivery,
        offers_per_delivery: u32,
        plane: &Plane,
        ready: &HashMap<DeliveryId, Ready>,
    ) -> engine::Delivery {
        let offers = self.offers.get(&d.id).map_or(&[][..], Vec::as_slice);
        let offered_to: Vec<RiderId> = self.open_offers(d).map(|o| o.rider_id).collect();
        let excluded: HashSet<RiderId> =
            offers.iter().filter(|o| excludes(o, d.attempt, self.now)).map(|o| o.rider_id).collect();
        let out = u32::try_from(offered_to.len()).unwrap_or(u32::MAX);
        engine::Delivery {
            id: d.id,
            shop: d.merchant_id,
            pickup: plane.point(&d.pickup),
            dropoff: plane.point(&d.dropoff),
            ready: ready.get(&d.id).cloned().unwrap_or_else(|| kitchens::said(d)),
            promise_at_ms: d.promise_at.timestamp_millis(),
            opened_at_ms: d.opened_at.timestamp_millis(),
            excluded: excluded.into_iter().collect(),
            offers_wanted: offers_per_delivery.saturating_sub(out),
            offered_to,
        }
    }

    fn legs(&self) -> HashMap<RiderId, Vec<Leg>> {
        let mut legs: HashMap<RiderId, Vec<Leg>> = HashMap::new();
        for d in self.carried.values() {
            let Some(rider) = d.rider_id else { continue };
            // When the rider says that it happened: a tap made offline comes late.
            let since = match d.state {
                DeliveryState::AtPickup => d.at_pickup_at,
                DeliveryState::PickedUp => d.picked_up_at,
                DeliveryState::AtDropoff => d.at_dropoff_at,
                _ => None,
            };
            legs.entry(rider).or_default().push(Leg {
                id: d.id,
                shop: d.merchant_id,
                state: d.state,
                since_ms: since.unwrap_or(d.state_since).timestamp_millis(),
                pickup: d.pickup,
                dropoff: d.dropoff,
                ready_at_ms: d.ready_at.timestamp_millis(),
            });
        }
        legs
    }

    fn rider(
        &self,
        r: &Rider,
        (place, seen_ms): (Place, i64),
        legs: &[Leg],
        plane: &Plane,
        travel: &TravelModel,
    ) -> engine::Rider {
        let now_ms = self.now.timestamp_millis();
        let Ahead { free_at_ms, free_place, at_counter, committed } = ahead(legs, place, r.speed_mps, now_ms, travel);
        engine::Rider {
            id: r.id,
            place: plane.point(&place),
            // Two clocks, ours and the database's: never from the future.
            fix_age_ms: now_ms.saturating_sub(seen_ms).max(0),
            speed_mps: r.speed_mps,
            available: r.status == RiderStatus::Available,
            stale: r.stale,
            load: self.load(r),
            capacity: u32::try_from(r.capacity).unwrap_or(0),
            free_at_ms,
            free_place: plane.point(&free_place),
            at_counter,
            committed,
            shift_end_ms: NEVER_MS,
            idle_since_ms: r.idle_since.timestamp_millis(),
            acceptance_permille: r.acceptance_permille(),
            rating_permille: 1_000,
        }
    }

    /// How many riders are on shift in a zone, by where they were last heard of; all of them where nobody has drawn it.
    fn riders_on_shift(&self, zone: &ZoneId) -> usize {
        match self.zones.get(zone) {
            Some((_, outline)) => {
                let (area, places) = (Area::inside(outline), self.riders.values().filter_map(|rider| rider.last_place));
                places.filter(|place| area.contains(place)).count()
            }
            None => self.riders.len(),
        }
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
