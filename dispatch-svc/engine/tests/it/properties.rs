//! What holds for every snapshot.

use std::collections::{BTreeMap, BTreeSet};

use pannier_contracts::{DeliveryId, RiderId};
use pannier_engine::{
    City, Delivery, HoldReason, Kind, Outcome, Outlook, Plan, Point, Policy, Ready, Rider, Route, ShopOutlook,
    Snapshot, Trip, plan,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::{MINUTE, NOW, at, dlv, greedy, rdr, shp};

fn place() -> impl Strategy<Value = Point> {
    (-4_000..4_000, -4_000..4_000).prop_map(|(north, east)| at(north, east))
}

fn some_riders() -> impl Strategy<Value = Vec<RiderId>> {
    vec((0..12_u32).prop_map(rdr), 0..4)
}

/// A shop is always in the same place.
fn counter(shop: u32) -> Point {
    at(-4_000 + 1_300 * shop as i32, 2_000 - 700 * shop as i32)
}

fn ready() -> impl Strategy<Value = Ready> {
    vec(-50..30_i64, 1..10).prop_map(|moments| {
        let moments: Vec<i64> = moments.iter().map(|m| NOW + m * MINUTE).collect();
        Ready::one_of(&moments)
    })
}

prop_compose! {
    fn a_delivery()(
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
    fn a_rider()(
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
    fn an_outlook()(rates in vec(0..30_u32, 0..6), riders_on_shift in 0..20_u32, takes in vec(0..40_i64, 0..9)) -> Outlook {
        let shops: Vec<ShopOutlook> = (0..).zip(&rates).map(|(n, rate)| ShopOutlook {
            shop: shp(n), place: counter(n), orders_per_minute: f64::from(*rate) / 64.0,
        }).collect();
        let mut takes_ms: Vec<i64> = takes.iter().map(|t| t * MINUTE).collect();
        takes_ms.sort_unstable();
        Outlook { orders_per_minute: shops.iter().map(|s| s.orders_per_minute).sum(), shops, takes_ms, riders_on_shift }
    }
}

/// What an earlier plan may have said: of deliveries and riders that are gone, of one delivery twice, of a wrong shop.
fn an_earlier_plan() -> impl Strategy<Value = Vec<Route>> {
    let deliveries = || vec((0..25_u32).prop_map(dlv), 0..4);
    let trip = (0..7_u32, deliveries()).prop_map(|(shop, deliveries)| Trip { shop: shp(shop), deliveries });
    vec(((0..15_u32).prop_map(rdr), vec(trip, 0..3)).prop_map(|(rider, trips)| Route { rider, trips }), 0..6)
}

/// Gives every delivery that names a carrier to that rider, who may stand at its counter.
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
    fn a_snapshot()(
        deliveries in vec(a_delivery(), 0..25), riders in vec(a_rider(), 0..15), outlook in an_outlook(),
        previous in an_earlier_plan(), service in 0..3_i64, is_plain in any::<bool>(),
        carriers in vec((prop::option::weighted(0.2, 0..15_usize), any::<bool>()), 25),
    ) -> Snapshot {
        let city = City { counter_ms: service * MINUTE, door_ms: service * MINUTE, ..City::default() };
        let mut s = Snapshot { now_ms: NOW, city, deliveries, riders, outlook, previous };
        if is_plain {
            make_plain(&mut s);
            commit(&mut s, &carriers);
        }
        s
    }
}

fn make_plain(s: &mut Snapshot) {
    s.deliveries.sort_by_key(|d| d.id);
    s.deliveries.dedup_by_key(|d| d.id);
    s.riders.sort_by_key(|r| r.id);
    s.riders.dedup_by_key(|r| r.id);
}

/// With every id once, so that a test can look things up.
fn a_plain_snapshot() -> impl Strategy<Value = Snapshot> {
    a_snapshot().prop_map(|mut s| {
        make_plain(&mut s);
        s
    })
}

fn either() -> impl Strategy<Value = Policy> {
    prop::sample::select(Kind::ALL).prop_map(|kind| Policy { kind, ..Policy::default() })
}

/// What nobody has accepted, by id.
fn unassigned(s: &Snapshot) -> BTreeMap<DeliveryId, &Delivery> {
    let committed: BTreeSet<_> = s.riders.iter().flat_map(|r| &r.committed).flat_map(|t| &t.deliveries).collect();
    s.deliveries.iter().filter(|d| !committed.contains(&d.id)).map(|d| (d.id, d)).collect()
}

fn bytes(plan: &Plan) -> String {
    serde_json::to_string(plan).expect("a plan is plain data")
}

proptest! {
    #[test]
    fn every_delivery_without_a_rider_has_one_decision_in_order_of_id(s in a_snapshot(), policy in either()) {
        let decided: Vec<_> = plan(&s, &policy).decisions.iter().map(|d| d.delivery).collect();
        prop_assert_eq!(unassigned(&s).into_keys().collect::<Vec<_>>(), decided);
    }

    #[test]
    fn capacity_is_never_exceeded(s in a_plain_snapshot(), policy in either()) {
        let mut load: BTreeMap<_, _> = s.riders.iter().map(|r| (r.id, r.load)).collect();
        for decision in plan(&s, &policy).decisions {
            if let Outcome::Offer { riders } = decision.outcome {
                for chosen in riders { *load.get_mut(&chosen.rider).expect("a known rider") += 1; }
            }
        }
        for rider in &s.riders {
            prop_assert!(load[&rider.id] <= rider.capacity.max(rider.load), "{:?} has {}", rider, load[&rider.id]);
        }
    }

    #[test]
    fn only_who_may_be_asked_is_asked_and_only_once(s in a_plain_snapshot(), policy in either()) {
        let known = unassigned(&s);
        for decision in plan(&s, &policy).decisions {
            let delivery = known[&decision.delivery];
            let Outcome::Offer { riders } = &decision.outcome else { continue };
            prop_assert!(!riders.is_empty() && riders.len() <= delivery.offers_wanted as usize);
            let different: BTreeSet<_> = riders.iter().map(|c| c.rider).collect();
            prop_assert_eq!(different.len(), riders.len());
            for chosen in riders {
                let rider = s.riders.iter().find(|r| r.id == chosen.rider).expect("a known rider");
                prop_assert!(rider.available && !rider.stale && rider.fix_age_ms <= policy.max_fix_age_ms);
                prop_assert!(rider.load < rider.capacity);
                prop_assert!(!delivery.excluded.contains(&rider.id) && !delivery.offered_to.contains(&rider.id));
                prop_assert!(rider.place.metres_to(delivery.pickup) <= f64::from(policy.radius_m));
                prop_assert!(NOW <= rider.shift_end_ms);
                let row = decision.candidates.iter().find(|c| c.rider == chosen.rider).expect("listed");
                prop_assert_eq!((row.gate, row.cost, row.terms), (None, Some(chosen.cost), Some(chosen.terms)));
            }
        }
    }

    #[test]
    fn terms_sum_to_the_cost_and_candidates_are_in_order(s in a_plain_snapshot(), policy in either()) {
        for decision in plan(&s, &policy).decisions {
            for c in &decision.candidates {
                prop_assert_eq!(c.cost, c.terms.map(|t| t.total()));
                prop_assert!(c.gate.is_some() || c.cost.is_some());
            }
            let key = |c: &pannier_engine::Candidate| (c.gate.is_some(), c.cost.unwrap_or(i64::MAX), c.rider);
            prop_assert!(decision.candidates.is_sorted_by_key(key));
            let is_searched = match &decision.outcome {
                Outcome::Hold { reason, .. } => *reason != HoldReason::TooEarly,
                Outcome::Offer { .. } => true,
                Outcome::Nobody { .. } => false,
            };
            prop_assert!(!is_searched || decision.candidates.len() == s.riders.len());
        }
    }

    #[test]
    fn a_hold_is_after_now(s in a_plain_snapshot(), policy in either()) {
        let known = unassigned(&s);
        for decision in plan(&s, &policy).decisions {
            if let Outcome::Hold { until_ms, .. } = decision.outcome {
                prop_assert!(NOW < until_ms, "{decision:?}");
                let is_past_ready = until_ms > known[&decision.delivery].ready.mean_ms();
                prop_assert!(policy.kind != Kind::Greedy || !is_past_ready, "{decision:?}");
            }
        }
    }

    #[test]
    fn whoever_is_left_without_a_rider_had_nobody(s in a_plain_snapshot()) {
        for decision in plan(&s, &greedy()).decisions {
            let open = decision.candidates.iter().filter(|c| c.gate.is_none()).count();
            match decision.outcome {
                Outcome::Nobody { .. } => prop_assert_eq!(open, 0),
                Outcome::Hold { reason: HoldReason::CheaperLater, .. } => prop_assert!(open > 0),
                Outcome::Hold { .. } => prop_assert_eq!(open, 0),
                Outcome::Offer { .. } => {}
            }
        }
    }

    #[test]
    fn the_order_of_lists_does_not_matter(
        (s, shuffled) in a_snapshot().prop_flat_map(|s| {
            let lists = (
                Just(s.deliveries.clone()).prop_shuffle(),
                Just(s.riders.clone()).prop_shuffle(),
                Just(s.previous.clone()).prop_shuffle(),
                Just(s.outlook.shops.clone()).prop_shuffle(),
            );
            (Just(s.clone()), lists.prop_map(move |(mut deliveries, riders, previous, shops)| {
                for d in &mut deliveries { d.excluded.reverse(); d.offered_to.reverse(); }
                let outlook = Outlook { shops, ..s.outlook.clone() };
                Snapshot { deliveries, riders, previous, outlook, ..s.clone() }
            }))
        }),
        policy in either(),
    ) {
        prop_assert_eq!(bytes(&plan(&s, &policy)), bytes(&plan(&shuffled, &policy)));
    }

    #[test]
    fn a_snapshot_and_its_plan_survive_a_file(s in a_snapshot(), policy in either()) {
        let again: Snapshot = serde_json::from_str(&serde_json::to_string(&s).unwrap()).unwrap();
        prop_assert_eq!(&again, &s);
        let made = plan(&again, &policy);
        prop_assert_eq!(&serde_json::from_str::<Plan>(&bytes(&made)).unwrap(), &made);
        prop_assert_eq!(made, plan(&s, &policy));
    }

    #[test]
    fn shifts_ready_times_and_what_cannot_be_changed_hold_in_every_route(s in a_plain_snapshot(), seed in any::<u64>()) {
        let made = plan(&s, &Policy { seed, ..Policy::default() });
        let mut carried = BTreeSet::new();
        for route in &made.routes {
            let rider = s.riders.iter().find(|r| r.id == route.rider).unwrap();
            let mut free_ms = rider.free_at_ms;
            for (n, trip) in route.trips.iter().enumerate() {
                // Whoever has accepted something, or is being asked, also finishes it.
                let is_open = |id: &DeliveryId| {
                    let accepted = s.riders.iter().flat_map(|r| &r.committed).any(|t| t.deliveries.contains(id));
                    !accepted && s.deliveries.iter().any(|d| d.id == *id && d.offers_wanted > 0)
                };
                let is_in_time = trip.pickup_at_ms <= rider.shift_end_ms;
                prop_assert!(is_in_time || !trip.trip.deliveries.iter().any(is_open), "after the shift: {trip:?}");
                prop_assert!(trip.leave_at_ms >= free_ms, "leaves before being free: {trip:?}");
                prop_assert!(trip.trip.deliveries.len() <= trip.dropoffs_at_ms.len());
                prop_assert!(trip.dropoffs_at_ms.is_sorted() && trip.pickup_at_ms <= trip.dropoffs_at_ms[0]);
                for id in &trip.trip.deliveries {
                    let delivery = s.deliveries.iter().find(|d| d.id == *id).unwrap();
                    prop_assert_eq!(delivery.shop, trip.trip.shop, "two shops in one trip");
                    prop_assert!(trip.pickup_at_ms >= delivery.ready.moments_ms()[0], "taken before it can be ready");
                    prop_assert!(carried.insert(*id), "{id} is in two trips");
                }
                if n < rider.committed.len() {
                    prop_assert!(rider.committed[n].deliveries.iter().all(|d| trip.trip.deliveries.contains(d)));
                }
                free_ms = trip.dropoffs_at_ms.last().copied().unwrap();
            }
        }
    }

    #[test]
    fn every_delivery_is_in_a_route_or_has_a_reason(s in a_plain_snapshot()) {
        let made = plan(&s, &Policy::default());
        let carried: BTreeSet<_> =
            made.routes.iter().flat_map(|r| &r.trips).flat_map(|t| &t.trip.deliveries).collect();
        for decision in &made.decisions {
            match decision.outcome {
                Outcome::Nobody { .. } => {}
                _ => prop_assert!(carried.contains(&decision.delivery), "promised to nobody: {decision:?}"),
            }
        }
    }

    #[test]
    fn more_steps_never_make_a_plan_worse(s in a_plain_snapshot(), seed in any::<u64>(), few in 0..20_u32, more in 1..40_u32) {
        let objective = |steps| {
            let mut policy = Policy { seed, ..Policy::default() };
            policy.horizon.steps_per_delivery = steps;
            plan(&s, &policy).made.objective_ms.1
        };
        prop_assert!(objective(few + more) <= objective(few));
    }

    #[test]
    fn the_cheapest_rider_is_planned_for_a_lone_delivery(delivery in a_delivery(), riders in vec(a_rider(), 0..8)) {
        let mut s = Snapshot { now_ms: NOW, deliveries: vec![delivery], riders, ..Snapshot::default() };
        s.deliveries[0].offers_wanted = 1;
        s.deliveries[0].offered_to.clear();
        let made = plan(&s, &Policy::default());
        let open = made.decisions[0].candidates.iter().filter(|c| c.gate.is_none());
        let cheapest = open.min_by_key(|c| c.cost).map(|c| c.cost);
        let planned = made.routes.iter().find(|r| r.trips.iter().any(|t| t.trip.deliveries.contains(&s.deliveries[0].id)));
        let price = planned.and_then(|r| made.decisions[0].candidates.iter().find(|c| c.rider == r.rider)).map(|c| c.cost);
        prop_assert_eq!(price, cheapest);
    }

    #[test]
    fn no_number_makes_greedy_panic(
        mut s in a_snapshot(), numbers in vec(any::<i64>(), 13), speed in any::<f64>(), wanted in any::<u32>(),
    ) {
        s.now_ms = numbers[0];
        for d in &mut s.deliveries {
            (d.ready, d.promise_at_ms, d.opened_at_ms) = (Ready::at(numbers[1]), numbers[2], numbers[3]);
            d.offers_wanted = wanted;
        }
        for r in &mut s.riders {
            (r.fix_age_ms, r.free_at_ms, r.idle_since_ms, r.speed_mps) = (0, numbers[4], numbers[5], speed);
            (r.acceptance_permille, r.rating_permille, r.capacity) = (wanted, wanted, wanted);
            r.shift_end_ms = numbers[12];
        }
        let mut policy = Policy { search_lead_ms: numbers[6], hold_ms: numbers[7], give_up_ms: numbers[8], ..greedy() };
        (policy.weights.load_ms, policy.weights.overdue_permille, policy.weights.fairness_permille) =
            (numbers[9], numbers[10], numbers[11]);
        prop_assert_eq!(plan(&s, &policy), plan(&s, &policy));
    }
}
