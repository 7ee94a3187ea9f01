//! Random snapshots for the properties.

use std::collections::BTreeSet;

use pannier_contracts::RiderId;
use pannier_contracts::zone::DispatchAlgorithm;
use pannier_engine::{
    Delivery, Forecast, Point, Policy, Ready, Rider, Route, ShopForecast, Snapshot, TravelModel, Trip,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::{MINUTE, NOW, at, dlv, rdr, shp};

fn place() -> impl Strategy<Value = Point> {
    (-4_000..4_000, -4_000..4_000).prop_map(|(north, east)| at(north, east))
}

fn some_riders() -> impl Strategy<Value = Vec<RiderId>> {
    vec((0..12_u32).prop_map(rdr), 0..4)
}

/// The counter of a shop, the same in every snapshot.
fn counter(shop: u32) -> Point {
    at(-4_000 + 1_300 * shop as i32, 2_000 - 700 * shop as i32)
}

fn ready() -> impl Strategy<Value = Ready> {
    vec(-50..30_i64, 1..10).prop_map(|minutes| {
        let times: Vec<i64> = minutes.iter().map(|m| NOW + m * MINUTE).collect();
        Ready::any_of(&times)
    })
}

prop_compose! {
    pub fn a_delivery()(
        id in (0..20_u32).prop_map(dlv), shop in 0..6_u32, dropoff in place(), ready in ready(), promise in -20..60_i64,
        opened in 0..60_i64, excluded in some_riders(), offered_to in some_riders(), offers_wanted in 0..4_u32,
    ) -> Delivery {
        Delivery {
            id, shop: shp(shop), pickup: counter(shop), dropoff, ready, promise_at_ms: NOW + promise * MINUTE,
            opened_at_ms: NOW - opened * MINUTE, excluded, offers_wanted, offered_to,
        }
    }
}

prop_compose! {
    pub fn a_rider()(
        id in (0..12_u32).prop_map(rdr), place in place(), fix_age_ms in 0..70_000_i64, speed in 0..12_u32,
        available in prop::bool::weighted(0.9), stale in prop::bool::weighted(0.1), load in 0..3_u32, capacity in 0..4_u32,
        free_place in prop::option::of(place()), free in -10..30_i64, shift_end in 0..200_i64, idle in 0..60_i64,
        shares in (0..1_100_u32, 0..1_100_u32),
    ) -> Rider {
        Rider {
            id, place, fix_age_ms, speed_mps: f64::from(speed), available, stale, load, capacity,
            free_at_ms: NOW + free * MINUTE, free_place: free_place.unwrap_or(place), at_counter: None,
            committed: vec![], shift_end_ms: NOW + shift_end * MINUTE, idle_since_ms: NOW - idle * MINUTE,
            acceptance_permille: shares.0, rating_permille: shares.1,
        }
    }
}

prop_compose! {
    fn a_forecast()(rates in vec(0..30_u32, 0..6), riders_on_shift in 0..20_u32, prep_times in vec(0..40_i64, 0..9)) -> Forecast {
        let shops: Vec<ShopForecast> = (0..).zip(&rates).map(|(n, rate)| ShopForecast {
            shop: shp(n), place: counter(n), orders_per_minute: f64::from(*rate) / 64.0,
        }).collect();
        let mut prep_times_ms: Vec<i64> = prep_times.iter().map(|t| t * MINUTE).collect();
        prep_times_ms.sort_unstable();
        let orders_per_minute = shops.iter().map(|s| s.orders_per_minute).sum();
        Forecast { orders_per_minute, shops, prep_times_ms, riders_on_shift }
    }
}

/// Routes of an earlier plan, with deliveries and riders that are gone, deliveries listed twice, and wrong shops.
fn an_earlier_plan() -> impl Strategy<Value = Vec<Route>> {
    let deliveries = || vec((0..25_u32).prop_map(dlv), 0..4);
    let trip = (0..7_u32, deliveries()).prop_map(|(shop, deliveries)| Trip { shop: shp(shop), deliveries });
    vec(((0..15_u32).prop_map(rdr), vec(trip, 0..3)).prop_map(|(rider, trips)| Route { rider, trips }), 0..6)
}

/// Makes some riders accept a delivery; some of them are at its counter.
fn commit(s: &mut Snapshot, carriers: &[(Option<usize>, bool)]) {
    let mut given = BTreeSet::new();
    for (d, (carrier, is_there)) in s.deliveries.iter_mut().zip(carriers) {
        let Some(carrier) = carrier.filter(|_| given.insert(d.id)) else { continue };
        let Some(rider) = s.riders.get_mut(carrier) else { continue };
        (d.offers_wanted, d.offered_to) = (0, vec![]);
        rider.load += 1;
        if *is_there && rider.committed.is_empty() {
            (rider.at_counter, rider.free_place, rider.free_at_ms) = (Some(d.shop), d.pickup, NOW - MINUTE);
        }
        match rider.committed.iter_mut().find(|t| t.shop == d.shop) {
            Some(trip) => trip.deliveries.push(d.id),
            None => rider.committed.push(Trip { shop: d.shop, deliveries: vec![d.id] }),
        }
    }
}

prop_compose! {
    /// A snapshot in which ids may be listed twice.
    pub fn a_snapshot()(
        deliveries in vec(a_delivery(), 0..25), riders in vec(a_rider(), 0..15), forecast in a_forecast(),
        previous in an_earlier_plan(), service in 0..3_i64, is_plain in any::<bool>(),
        carriers in vec((prop::option::weighted(0.2, 0..15_usize), any::<bool>()), 25),
    ) -> Snapshot {
        let travel = TravelModel { counter_ms: service * MINUTE, door_ms: service * MINUTE, ..TravelModel::default() };
        let mut s = Snapshot { now_ms: NOW, travel, deliveries, riders, forecast, previous };
        if is_plain {
            make_plain(&mut s);
            commit(&mut s, &carriers);
        }
        s
    }
}

/// Keeps one entry per id.
fn make_plain(s: &mut Snapshot) {
    s.deliveries.sort_by_key(|d| d.id);
    s.deliveries.dedup_by_key(|d| d.id);
    s.riders.sort_by_key(|r| r.id);
    s.riders.dedup_by_key(|r| r.id);
}

/// A snapshot in which every id is listed once, so that a test can look it up.
pub fn a_plain_snapshot() -> impl Strategy<Value = Snapshot> {
    a_snapshot().prop_map(|mut s| {
        make_plain(&mut s);
        s
    })
}

/// The default policy with either algorithm.
pub fn a_policy() -> impl Strategy<Value = Policy> {
    let algorithms = vec![DispatchAlgorithm::Greedy, DispatchAlgorithm::Horizon];
    prop::sample::select(algorithms).prop_map(|algorithm| Policy { algorithm, ..Policy::default() })
}
