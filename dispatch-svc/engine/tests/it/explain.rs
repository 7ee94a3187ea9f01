//! Decisions explained in sentences.

use pannier_engine::explain::{Round, for_ops, for_rider};
use pannier_engine::{Delivery, Outcome, Plan, Policy, Ready, Rider, plan};

use crate::world::{MINUTE, NOW, delivery, now, rdr, rider};

/// The sentences about the only decision of a plan, for operations and for the rider. Ids are cut to their last digit.
fn sentences(plan: &Plan) -> (Vec<String>, Option<String>) {
    let decision = &plan.decisions[0];
    let (asked, until_ms) = match &decision.outcome {
        Outcome::Offer { riders } => (riders.iter().map(|r| r.rider).collect(), None),
        Outcome::Hold { until_ms, .. } => (vec![], Some(*until_ms)),
        Outcome::Nobody { .. } => (vec![], None),
    };
    let round = Round {
        at_ms: NOW,
        reason: decision.outcome.reason(),
        until_ms,
        asked: &asked,
        candidates: &decision.candidates,
        left_out: decision.left_out,
    };
    let short = |text: String| text.replace(&"0".repeat(31), "");
    (for_ops(&round).into_iter().map(short).collect(), asked.first().and_then(|r| for_rider(&round, *r)).map(short))
}

#[test]
fn an_offer_says_why_this_rider_and_not_the_next() {
    let late = Delivery { ready: Ready::at(NOW), excluded: vec![rdr(4)], ..delivery(1) };
    let riders =
        vec![rider(1, 300), rider(2, 1_500), Rider { stale: true, ..rider(3, 100) }, rider(4, 50), rider(5, 90_000)];
    let (ops, rider) = sentences(&plan(&now(vec![late], riders), &Policy::default()));
    insta::assert_snapshot!(ops.join("\n"));
    insta::assert_snapshot!(rider.unwrap_or_default());
}

#[test]
fn a_hold_says_until_when_and_why() {
    let later = Delivery { ready: Ready::at(NOW + 10 * MINUTE), ..delivery(1) };
    let (ops, rider) = sentences(&plan(&now(vec![later], vec![rider(1, 300)]), &Policy::default()));
    insta::assert_snapshot!(ops.join("\n"));
    assert_eq!(rider, None);
}

#[test]
fn without_a_rider_the_sentences_name_the_gates() {
    let (ops, _) =
        sentences(&plan(&now(vec![delivery(1)], vec![Rider { available: false, ..rider(1, 0) }]), &Policy::default()));
    insta::assert_snapshot!(ops.join("\n"));
}
