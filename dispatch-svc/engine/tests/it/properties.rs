//! What holds for every snapshot.

use std::collections::{BTreeMap, BTreeSet};

use pannier_engine::{Delivery, HoldReason, Outcome, Plan, Policy, Rider, Snapshot, plan};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::{MINUTE, NOW, at, dlv, rdr};

fn place() -> impl Strategy<Value = pannier_contracts::Place> {
    (-4_000..4_000, -4_000..4_000).prop_map(|(north, east)| at(north, east))
}

fn some_riders() -> impl Strategy<Value = Vec<pannier_contracts::RiderId>> {
    vec((0..12_u32).prop_map(rdr), 0..4)
}

prop_compose! {
    fn a_delivery()(
        id in (0..20_u32).prop_map(dlv), pickup in place(), dropoff in place(), ready in -50..30_i64,
        promise in -20..60_i64, opened in 0..60_i64, excluded in some_riders(), offered_to in some_riders(),
        offers_wanted in 0..4_u32,
    ) -> Delivery {
        Delivery {
            id, pickup, dropoff, ready_at_ms: NOW + ready * MINUTE, promise_at_ms: NOW + promise * MINUTE,
            opened_at_ms: NOW - opened * MINUTE, excluded, offers_wanted, offered_to,
        }
    }
}

prop_compose! {
    fn a_rider()(
        id in (0..12_u32).prop_map(rdr), place in place(), fix_age_ms in 0..70_000_i64, speed in 0..12_u32,
        available in prop::bool::weighted(0.9), stale in prop::bool::weighted(0.1), load in 0..3_u32, capacity in 0..4_u32,
        stops in vec(place(), 0..3), busy in 0..30_i64, idle in 0..60_i64, shares in (0..1_100_u32, 0..1_100_u32),
    ) -> Rider {
        Rider {
            id, place, fix_age_ms, speed_mps: f64::from(speed), available, stale, load, capacity, stops,
            busy_until_ms: if busy == 0 { 0 } else { NOW + busy * MINUTE }, idle_since_ms: NOW - idle * MINUTE,
            acceptance_permille: shares.0, rating_permille: shares.1,
        }
    }
}

prop_compose! {
    fn a_snapshot()(deliveries in vec(a_delivery(), 0..25), riders in vec(a_rider(), 0..15)) -> Snapshot {
        Snapshot { now_ms: NOW, deliveries, riders }
    }
}

/// With every id once, so that a test can look things up.
fn a_plain_snapshot() -> impl Strategy<Value = Snapshot> {
    a_snapshot().prop_map(|mut s| {
        s.deliveries.sort_by_key(|d| d.id);
        s.deliveries.dedup_by_key(|d| d.id);
        s.riders.sort_by_key(|r| r.id);
        s.riders.dedup_by_key(|r| r.id);
        s
    })
}

fn bytes(plan: &Plan) -> String {
    serde_json::to_string(plan).expect("a plan is plain data")
}

proptest! {
    #[test]
    fn every_delivery_has_one_decision_in_order_of_id(s in a_snapshot()) {
        let wanted: BTreeSet<_> = s.deliveries.iter().map(|d| d.id).collect();
        let decided: Vec<_> = plan(&s, &Policy::default()).decisions.iter().map(|d| d.delivery).collect();
        prop_assert_eq!(wanted.into_iter().collect::<Vec<_>>(), decided);
    }

    #[test]
    fn capacity_is_never_exceeded(s in a_plain_snapshot()) {
        let mut load: BTreeMap<_, _> = s.riders.iter().map(|r| (r.id, r.load)).collect();
        for decision in plan(&s, &Policy::default()).decisions {
            if let Outcome::Offer { riders } = decision.outcome {
                for chosen in riders { *load.get_mut(&chosen.rider).expect("a known rider") += 1; }
            }
        }
        for rider in &s.riders {
            prop_assert!(load[&rider.id] <= rider.capacity.max(rider.load), "{:?} has {}", rider, load[&rider.id]);
        }
    }

    #[test]
    fn only_who_may_be_asked_is_asked_and_only_once(s in a_plain_snapshot()) {
        let policy = Policy::default();
        for (delivery, decision) in s.deliveries.iter().zip(plan(&s, &policy).decisions) {
            let Outcome::Offer { riders } = &decision.outcome else { continue };
            prop_assert!(!riders.is_empty() && riders.len() <= delivery.offers_wanted as usize);
            let different: BTreeSet<_> = riders.iter().map(|c| c.rider).collect();
            prop_assert_eq!(different.len(), riders.len());
            for chosen in riders {
                let rider = s.riders.iter().find(|r| r.id == chosen.rider).expect("a known rider");
                prop_assert!(rider.available && !rider.stale && rider.fix_age_ms <= policy.max_fix_age_ms);
                prop_assert!(rider.load < rider.capacity);
                prop_assert!(!delivery.excluded.contains(&rider.id) && !delivery.offered_to.contains(&rider.id));
                prop_assert!(rider.place.distance_m(&delivery.pickup) <= f64::from(policy.radius_m) * 1.001);
                let row = decision.candidates.iter().find(|c| c.rider == chosen.rider).expect("listed");
                prop_assert_eq!((row.gate, row.cost, row.terms), (None, Some(chosen.cost), Some(chosen.terms)));
            }
        }
    }

    #[test]
    fn terms_sum_to_the_cost_and_candidates_are_in_order(s in a_plain_snapshot()) {
        for decision in plan(&s, &Policy::default()).decisions {
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
    fn a_hold_is_after_now_and_never_past_ready(s in a_plain_snapshot()) {
        for (delivery, decision) in s.deliveries.iter().zip(plan(&s, &Policy::default()).decisions) {
            if let Outcome::Hold { until_ms, .. } = decision.outcome {
                prop_assert!(NOW < until_ms && until_ms <= delivery.ready_at_ms, "{decision:?}");
            }
        }
    }

    #[test]
    fn whoever_is_left_without_a_rider_had_nobody(s in a_plain_snapshot()) {
        for decision in plan(&s, &Policy::default()).decisions {
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
            let lists = (Just(s.deliveries.clone()).prop_shuffle(), Just(s.riders.clone()).prop_shuffle());
            (Just(s), lists.prop_map(|(mut deliveries, riders)| {
                for d in &mut deliveries { d.excluded.reverse(); d.offered_to.reverse(); }
                Snapshot { now_ms: NOW, deliveries, riders }
            }))
        })
    ) {
        prop_assert_eq!(bytes(&plan(&s, &Policy::default())), bytes(&plan(&shuffled, &Policy::default())));
    }

    #[test]
    fn a_snapshot_and_its_plan_survive_a_file(s in a_snapshot()) {
        let again: Snapshot = serde_json::from_str(&serde_json::to_string(&s).unwrap()).unwrap();
        prop_assert_eq!(&again, &s);
        let made = plan(&again, &Policy::default());
        prop_assert_eq!(&serde_json::from_str::<Plan>(&bytes(&made)).unwrap(), &made);
        prop_assert_eq!(made, plan(&s, &Policy::default()));
    }

    #[test]
    fn no_number_makes_it_panic(
        mut s in a_snapshot(), numbers in vec(any::<i64>(), 12), speed in any::<f64>(), wanted in any::<u32>(),
    ) {
        s.now_ms = numbers[0];
        for d in &mut s.deliveries {
            (d.ready_at_ms, d.promise_at_ms, d.opened_at_ms) = (numbers[1], numbers[2], numbers[3]);
            d.offers_wanted = wanted;
        }
        for r in &mut s.riders {
            (r.fix_age_ms, r.busy_until_ms, r.idle_since_ms, r.speed_mps) = (0, numbers[4], numbers[5], speed);
            (r.acceptance_permille, r.rating_permille, r.capacity) = (wanted, wanted, wanted);
        }
        let mut policy = Policy { search_lead_ms: numbers[6], hold_ms: numbers[7], give_up_ms: numbers[8], ..Policy::default() };
        (policy.weights.load_ms, policy.weights.overdue_permille, policy.weights.fairness_permille) =
            (numbers[9], numbers[10], numbers[11]);
        prop_assert_eq!(plan(&s, &policy), plan(&s, &policy));
    }
}
