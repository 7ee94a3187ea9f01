//! One zone as the engine gets it.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::offer::OfferState;
use pannier_contracts::rider::RiderStatus;
use pannier_contracts::zone::Policy;
use pannier_contracts::{Area, DeliveryId, RiderId, ZoneId};
use pannier_engine::{self as engine, Plane, Ready, TravelModel};

use super::cache::CityView;
use super::positions::{Position, Positions};
use crate::domain::workload::{CarriedDelivery, Workload, workload};
use crate::fleet::Fleet;
use crate::store::{Delivery, Offer, Rider};
use crate::tasks::kitchen_model::stated_ready;
use crate::tasks::recent_orders::RecentOrders;

/// A rider who let an offer expire is not asked again for so long: they may not have seen it, and there may be no other
/// rider. One who declined is not asked again in the same attempt.
const AFTER_EXPIRY: TimeDelta = TimeDelta::minutes(2);
/// The service time at a counter and at a door, minutes of the city.
const SERVICE_MIN: i64 = 2;
/// Ends of shifts are not known here.
const NEVER_MS: i64 = i64::MAX / 4;

/// The travel and service times of a city whose minute takes `minute_ms`.
fn travel_model(minute_ms: i64) -> TravelModel {
    TravelModel { counter_ms: SERVICE_MIN * minute_ms, door_ms: SERVICE_MIN * minute_ms, ..TravelModel::default() }
}

/// What the engine plans a zone with.
#[derive(Debug)]
pub struct EngineInput {
    /// The zone.
    pub snapshot: engine::Snapshot,
    /// Do all positions come from Redis?
    pub has_exact_positions: bool,
}

impl CityView {
    /// One zone as the engine gets it: its deliveries before pickup, the riders around them, and the deliveries of other
    /// zones that those riders fetch or have offers of; and the rider `also`, wherever they are. None when no delivery of the
    /// zone is without a rider.
    pub async fn snapshot(
        &self,
        fleet: &Fleet,
        zone: &ZoneId,
        policy: &Policy,
        recent: &RecentOrders,
        also: Option<RiderId>,
    ) -> Option<EngineInput> {
        let here: Vec<&Delivery> = self.deliveries.values().filter(|d| d.zone_id == *zone).collect();
        // The plane may lie around any place of the zone.
        let plane = Plane::around(&here.first()?.pickup);
        let minute_ms = policy.minute_ms;
        let travel = travel_model(minute_ms);

        let offered = here.iter().flat_map(|d| self.open_offers(d)).map(|o| o.rider_id);
        let busy = self.carried.values().filter(|d| d.zone_id == *zone).filter_map(|d| d.rider_id);
        let others = offered.chain(busy).chain(also);
        let (shops, radius_m) = (here.iter().map(|d| d.pickup), f64::from(policy.radius_m));
        let Positions { of: positions, are_exact } = self.positions(fleet, shops, radius_m, others).await;

        let carried = self.carried_by_rider();
        let riders: Vec<engine::Rider> = positions
            .iter()
            .filter_map(|(id, position)| {
                let rider = self.riders.get(id)?;
                let carried = carried.get(id).map_or(&[][..], Vec::as_slice);
                Some(self.engine_rider(rider, *position, carried, &plane, &travel))
            })
            .collect();

        let to_fetch = |d: &&Delivery| matches!(d.state, DeliveryState::Assigned | DeliveryState::AtPickup);
        let in_kitchens = here.iter().copied().chain(self.carried.values().filter(to_fetch));
        let in_kitchens = in_kitchens.filter(|d| d.zone_id == *zone);
        let kitchens = recent.kitchens(zone, minute_ms);
        let ready = kitchens.map(|kitchens| kitchens.ready(in_kitchens, self.now)).unwrap_or_default();

        let listed: HashSet<RiderId> = riders.iter().map(|r| r.id).collect();
        let mut deliveries: BTreeMap<DeliveryId, engine::Delivery> = BTreeMap::new();
        for d in self.deliveries.values() {
            if d.zone_id == *zone || self.open_offers(d).any(|o| listed.contains(&o.rider_id)) {
                // Offers of another zone are decided there.
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
            forecast: recent.forecast(zone, &plane, self.now, minute_ms, self.riders_on_shift(zone)),
            previous: Vec::new(),
        };
        Some(EngineInput { snapshot, has_exact_positions: are_exact })
    }

    /// The open offers of a delivery.
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
            ready: ready.get(&d.id).cloned().unwrap_or_else(|| stated_ready(d)),
            promise_at_ms: d.promise_at.timestamp_millis(),
            opened_at_ms: d.opened_at.timestamp_millis(),
            excluded: excluded.into_iter().collect(),
            offers_wanted: offers_per_delivery.saturating_sub(out),
            offered_to,
        }
    }

    fn carried_by_rider(&self) -> HashMap<RiderId, Vec<CarriedDelivery>> {
        let mut by_rider: HashMap<RiderId, Vec<CarriedDelivery>> = HashMap::new();
        for d in self.carried.values() {
            let Some(rider) = d.rider_id else { continue };
            // As the rider reported it: a report may come later than what it reports.
            let since = match d.state {
                DeliveryState::AtPickup => d.at_pickup_at,
                DeliveryState::PickedUp => d.picked_up_at,
                DeliveryState::AtDropoff => d.at_dropoff_at,
                _ => None,
            };
            by_rider.entry(rider).or_default().push(CarriedDelivery {
                id: d.id,
                shop: d.merchant_id,
                state: d.state,
                since_ms: since.unwrap_or(d.state_since).timestamp_millis(),
                pickup: d.pickup,
                dropoff: d.dropoff,
                ready_at_ms: d.ready_at.timestamp_millis(),
            });
        }
        by_rider
    }

    fn engine_rider(
        &self,
        r: &Rider,
        position: Position,
        carried: &[CarriedDelivery],
        plane: &Plane,
        travel: &TravelModel,
    ) -> engine::Rider {
        let now_ms = self.now.timestamp_millis();
        let Position { place, seen_ms } = position;
        let Workload { free_at_ms, free_place, at_counter, committed } =
            workload(carried, place, r.speed_mps, now_ms, travel);
        engine::Rider {
            id: r.id,
            place: plane.point(&place),
            // This process saw the position, and `now` is the database's: their clocks may differ.
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

    /// The number of riders on shift in a zone, by their coarse positions; all riders where the zone does not exist.
    fn riders_on_shift(&self, zone: &ZoneId) -> usize {
        match self.zones.get(zone) {
            Some(zone) => {
                let area = Area::inside(&zone.polygon);
                let places = self.riders.values().filter_map(|rider| rider.last_place);
                places.filter(|place| area.contains(place)).count()
            }
            None => self.riders.len(),
        }
    }
}

/// Does this offer exclude its rider from new ones of the same delivery?
fn excludes(offer: &Offer, attempt: i32, now: DateTime<Utc>) -> bool {
    match offer.state {
        OfferState::Declined => offer.attempt == attempt,
        OfferState::Expired => offer.attempt == attempt && offer.ended_at.is_none_or(|at| now - at < AFTER_EXPIRY),
        // The delivery was withdrawn from them.
        OfferState::Accepted => offer.attempt == attempt - 1,
        OfferState::Sent | OfferState::Revoked => false,
    }
}
