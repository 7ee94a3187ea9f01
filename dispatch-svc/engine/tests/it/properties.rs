//! Properties that hold for every snapshot.

use std::collections::{BTreeMap, BTreeSet};

use pannier_contracts::DeliveryId;
use pannier_contracts::zone::DispatchAlgorithm;
use pannier_engine::{Delivery, Forecast, HoldReason, Outcome, Plan, Policy, Ready, Snapshot, plan};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::{a_delivery, a_plain_snapshot, a_policy, a_rider, a_snapshot};
use crate::world::{NOW, greedy};

/// The deliveries that no rider has accepted, by id.
fn unassigned(s: &Snapshot) -> BTreeMap<DeliveryId, &Delivery> {
    let committed: BTreeSet<_> = s.riders.iter().flat_map(|r| &r.committed).flat_map(|t| &t.deliveries).collect();
    s.deliveries.iter().filter(|d| !committed.contains(&d.id)).map(|d| (d.id, d)).collect()
}

fn bytes(plan: &Plan) -> String {
    serde_json::to_string(plan).expect("a plan is plain data")
}

proptest! {
    #[test]
    fn every_delivery_without_a_rider_has_one_decision_in_order_of_id(s in a_snapshot(), policy in a_policy()) {
        let decided: Vec<_> = plan(&s, &policy).decisions.iter().map(|d| d.delivery).collect();
        prop_assert_eq!(unassigned(&s).into_keys().collect::<Vec<_>>(), decided);
    }

    #[test]
    fn capacity_is_never_exceeded(s in a_plain_snapshot(), policy in a_policy()) {
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
    fn offers_go_to_eligible_riders_once_each(s in a_plain_snapshot(), policy in a_policy()) {
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
    fn terms_sum_to_the_cost_and_candidates_are_in_order(s in a_plain_snapshot(), policy in a_policy()) {
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
    fn a_hold_is_after_now(s in a_plain_snapshot(), policy in a_policy()) {
        let known = unassigned(&s);
        for decision in plan(&s, &policy).decisions {
            if let Outcome::Hold { until_ms, .. } = decision.outcome {
                prop_assert!(NOW < until_ms, "{decision:?}");
                let is_past_ready = until_ms > known[&decision.delivery].ready.mean_ms();
                prop_assert!(policy.algorithm != DispatchAlgorithm::Greedy || !is_past_ready, "{decision:?}");
            }
        }
    }

    #[test]
    fn greedy_leaves_no_delivery_without_an_offer_that_has_a_candidate(s in a_plain_snapshot()) {
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
                Just(s.forecast.shops.clone()).prop_shuffle(),
            );
            (Just(s.clone()), lists.prop_map(move |(mut deliveries, riders, previous, shops)| {
                for d in &mut deliveries { d.excluded.reverse(); d.offered_to.reverse(); }
                let forecast = Forecast { shops, ..s.forecast.clone() };
                Snapshot { deliveries, riders, previous, forecast, ..s.clone() }
            }))
        }),
        policy in a_policy(),
    ) {
        prop_assert_eq!(bytes(&plan(&s, &policy)), bytes(&plan(&shuffled, &policy)));
    }

    #[test]
    fn a_snapshot_and_its_plan_survive_a_file(s in a_snapshot(), policy in a_policy()) {
        let again: Snapshot = serde_json::from_str(&serde_json::to_string(&s).unwrap()).unwrap();
        prop_assert_eq!(&again, &s);
        let made = plan(&again, &policy);
        prop_assert_eq!(&serde_json::from_str::<Plan>(&bytes(&made)).unwrap(), &made);
        prop_assert_eq!(made, plan(&s, &policy));
    }

    #[test]
    fn routes_keep_shifts_ready_times_and_accepted_trips(s in a_plain_snapshot(), seed in any::<u64>()) {
        let made = plan(&s, &Policy { seed, ..Policy::default() });
        let mut carried = BTreeSet::new();
        for route in &made.routes {
            let rider = s.riders.iter().find(|r| r.id == route.rider).unwrap();
            let mut free_ms = rider.free_at_ms;
            for (n, trip) in route.trips.iter().enumerate() {
                // Accepted deliveries and those with an open offer may be finished after the end of the shift.
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
                    prop_assert!(trip.pickup_at_ms >= delivery.ready.times_ms()[0], "taken before it can be ready");
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
                _ => prop_assert!(carried.contains(&decision.delivery), "in no route: {decision:?}"),
            }
        }
    }

    #[test]
    fn more_steps_never_make_a_plan_worse(s in a_plain_snapshot(), seed in any::<u64>(), few in 0..20_u32, more in 1..40_u32) {
        let objective = |steps| {
            let mut policy = Policy { seed, ..Policy::default() };
            policy.horizon.steps_per_delivery = steps;
            plan(&s, &policy).report.objective_after_ms
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
    fn the_terms_are_what_the_search_minimises(mut s in a_plain_snapshot(), delivery in a_delivery()) {
        // Accepted deliveries, whose cost is the same in both plans, and one open delivery.
        let committed: BTreeSet<_> = s.riders.iter().flat_map(|r| &r.committed).flat_map(|t| &t.deliveries).copied().collect();
        s.deliveries.retain(|d| committed.contains(&d.id) && d.id != delivery.id);
        let without = plan(&s, &Policy::default()).report.objective_after_ms;
        s.deliveries.push(Delivery { offers_wanted: 1, offered_to: vec![], ..delivery.clone() });
        let with = plan(&s, &Policy::default());
        let planned = with.routes.iter().find(|r| r.trips.iter().any(|t| t.trip.deliveries.contains(&delivery.id)));
        let decision = with.decisions.iter().find(|d| d.delivery == delivery.id);
        if let (Some(route), Some(decision)) = (planned, decision) {
            let candidate = decision.candidates.iter().find(|c| c.rider == route.rider).expect("the planned rider is listed");
            let told = candidate.terms.map(|t| t.total());
            prop_assert_eq!(told, Some(with.report.objective_after_ms - without));
        }
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
