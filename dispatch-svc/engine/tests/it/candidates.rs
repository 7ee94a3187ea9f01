//! The riders for one delivery, as a person sees them who chooses.

use pannier_contracts::zone::DispatchAlgorithm;
use pannier_engine::{Candidate, Delivery, Gate, Policy, Ready, Rider, Snapshot, Trip, candidates, plan};

use crate::world::{MINUTE, NOW, delivery, dlv, now, number, rdr, rider, shp};

fn policies() -> [Policy; 2] {
    DispatchAlgorithm::ALL
        .iter()
        .map(|a| Policy { algorithm: *a, ..Policy::default() })
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

/// `1 open, 2 stale`.
fn shown(candidates: &[Candidate]) -> String {
    let gate = |c: &Candidate| c.gate.map_or("open", Gate::as_str);
    candidates.iter().map(|c| format!("{} {}", number(c.rider), gate(c))).collect::<Vec<_>>().join(", ")
}

#[test]
fn they_have_the_costs_and_gates_of_a_plan() {
    for policy in policies() {
        let riders = vec![rider(1, 2_000), rider(2, 300), Rider { stale: true, ..rider(3, 100) }, rider(4, 9_000)];
        let snapshot = now(vec![delivery(1)], riders);
        let told = candidates(&snapshot, &policy, dlv(1));
        assert_eq!(shown(&told), "2 open, 1 open, 3 stale, 4 too_far", "{}", policy.algorithm);
        assert_eq!(told, plan(&snapshot, &policy).decisions[0].candidates, "{}", policy.algorithm);
    }
}

#[test]
fn they_are_told_whatever_a_plan_would_decide() {
    let policy = Policy::default();
    let ready_in = |minutes: i64| Delivery { ready: Ready::at(NOW + minutes * MINUTE), ..delivery(1) };
    let asked = Delivery { offers_wanted: 0, offered_to: vec![rdr(2)], ..delivery(1) };
    let not_wanted = Delivery { offers_wanted: 0, ..delivery(1) };
    for (why, delivery, expected) in [
        ("too early", ready_in(60), "1 open, 2 open"),
        ("too late", ready_in(-60), "1 open, 2 open"),
        ("nobody is wanted", not_wanted, "1 open, 2 open"),
        ("the other is asked", asked, "1 open, 2 already_offered"),
    ] {
        let told = candidates(&now(vec![delivery], vec![rider(1, 300), rider(2, 2_000)]), &policy, dlv(1));
        assert_eq!(shown(&told), expected, "{why}");
    }
}

#[test]
fn an_accepted_or_unknown_delivery_has_none() {
    for policy in policies() {
        let carrier = Rider { committed: vec![Trip { shop: shp(1), deliveries: vec![dlv(1)] }], ..rider(1, 300) };
        let snapshot = now(vec![delivery(1)], vec![carrier, rider(2, 500)]);
        for unknown in [dlv(1), dlv(2)] {
            assert_eq!(candidates(&snapshot, &policy, unknown), []);
        }
        assert_eq!(candidates(&Snapshot::default(), &policy, dlv(1)), []);
    }
}
