//! Explanations of the worst orders. Their days are simulated again, which is deterministic, and the changes in each
//! order's plan are recorded.

use std::collections::BTreeMap;

use pannier_contracts::RiderId;
use pannier_engine::explain::{Round, for_ops};
use pannier_engine::{Outcome as DecisionOutcome, Plan};

use super::clock::{MINUTE_MS, clock};
use super::run::Outcome;
use super::simulation::{MinutePlan, delivery_id, index_of, simulate_observed};
use super::solution::{DayOptions, Explanation, Site};
use super::worst_orders::worst_orders;
use pannier_instance::Instance;

/// Candidates that the engine lists per decision.
const CANDIDATES: u32 = 5;
/// Sentences per explanation at most. Surplus ones are cut from the middle.
const MAX_SENTENCES: usize = 12;
/// How many of them are the last ones.
const LAST_SENTENCES: usize = 7;
/// Sentences of the engine per change of the plan: the decision and the runner-up.
const ENGINE_SENTENCES: usize = 2;

/// Sets the explanations of the worst orders of all days. Takes as long as simulating their days did.
pub fn explain_worst_orders(outcomes: &mut [Outcome], options: &DayOptions) {
    let mut wanted: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for worst in worst_orders(outcomes) {
        wanted.entry(worst.day).or_default().push(worst.order);
    }
    for (day, orders) in wanted {
        outcomes[day].day.explanations = explain_day(&outcomes[day], options, &orders);
    }
}

fn explain_day(outcome: &Outcome, options: &DayOptions, orders: &[usize]) -> Vec<Explanation> {
    let instance = &outcome.instance;
    let mut histories: Vec<PlanHistory> = orders.iter().map(|order| PlanHistory::new(*order)).collect();
    simulate_observed(instance, options, CANDIDATES, &mut |minute| {
        histories.iter_mut().for_each(|history| history.observe(instance, minute));
    });
    histories.into_iter().map(|history| history.explanation(outcome)).collect()
}

/// The changes in the plan of one order.
struct PlanHistory {
    order: usize,
    /// The plan of the previous minute.
    last: Option<PlanState>,
    sentences: Vec<String>,
}

/// What counts as the same plan.
#[derive(PartialEq)]
struct PlanState {
    rider: Option<RiderId>,
    /// Reason or kind of the engine's decision.
    reason: &'static str,
}

/// The trip that a plan has for the order.
struct PlannedPickup {
    rider: RiderId,
    leave_ms: i64,
    pickup_ms: i64,
}

impl PlanHistory {
    const fn new(order: usize) -> Self {
        Self { order, last: None, sentences: Vec::new() }
    }

    fn observe(&mut self, instance: &Instance, minute: &MinutePlan<'_>) {
        let id = delivery_id(self.order);
        let Some(decision) = minute.plan.decisions.iter().find(|d| d.delivery == id) else { return };
        let planned = self.planned(minute.plan);
        let reason = decision.outcome.reason().unwrap_or_else(|| decision.outcome.as_str());
        let rider = planned.as_ref().map(|p| p.rider);
        let now = PlanState { rider, reason };
        // After the offer the same rider stays planned until the pickup: no change.
        let is_under_way = self.last == Some(PlanState { rider, reason: "offer" }) && reason == "planned";
        if self.last.as_ref() == Some(&now) || is_under_way {
            return;
        }
        let before = self.last.replace(now).and_then(|last| last.rider);
        let mut text = match planned {
            Some(PlannedPickup { rider, leave_ms, pickup_ms }) => {
                let instead = match before {
                    Some(other) if other != rider => format!(" instead of {}", courier(instance, other)),
                    _ => String::new(),
                };
                format!(
                    "{}: {} is planned{instead}, to leave at {} and pick up at {}.",
                    clock(minute.now),
                    courier(instance, rider),
                    clock(leave_ms.div_euclid(MINUTE_MS).max(minute.now)),
                    clock(pickup_ms.div_euclid(MINUTE_MS)),
                )
            }
            None => format!("{}: nobody is planned.", clock(minute.now)),
        };
        let (asked, until_ms): (Vec<RiderId>, _) = match &decision.outcome {
            DecisionOutcome::Offer { riders } => (riders.iter().map(|r| r.rider).collect(), None),
            DecisionOutcome::Hold { until_ms, .. } => (Vec::new(), Some(*until_ms)),
            DecisionOutcome::Nobody { .. } => (Vec::new(), None),
        };
        let round = Round {
            at_ms: minute.now * MINUTE_MS,
            reason: decision.outcome.reason(),
            until_ms,
            asked: &asked,
            candidates: &decision.candidates,
            left_out: decision.left_out,
        };
        // The engine's first sentence would repeat that the order is planned.
        let from = usize::from(reason == "planned");
        for mut sentence in for_ops(&round).into_iter().take(ENGINE_SENTENCES).skip(from) {
            for rider in asked.iter().chain(decision.candidates.iter().map(|c| &c.rider)) {
                sentence = sentence.replace(&rider.to_string(), courier(instance, *rider));
            }
            text.push(' ');
            text.push_str(&sentence);
        }
        self.sentences.push(text);
    }

    fn planned(&self, plan: &Plan) -> Option<PlannedPickup> {
        let id = delivery_id(self.order);
        plan.routes.iter().find_map(|route| {
            let trip = route.trips.iter().find(|t| t.trip.deliveries.contains(&id))?;
            let (leave_ms, pickup_ms) = (trip.leave_at_ms, trip.pickup_at_ms);
            Some(PlannedPickup { rider: route.rider, leave_ms, pickup_ms })
        })
    }

    fn explanation(mut self, outcome: &Outcome) -> Explanation {
        self.sentences.extend(pickup_sentence(outcome, self.order));
        if self.sentences.len() > MAX_SENTENCES {
            let from = MAX_SENTENCES - LAST_SENTENCES - 1;
            let left_out = from..self.sentences.len() - LAST_SENTENCES;
            let note = format!("(The plan changed {} times more.)", left_out.len());
            self.sentences.splice(left_out, [note]);
        }
        Explanation { order: self.order, sentences: self.sentences }
    }
}

/// The courier's actual move to the restaurant.
fn pickup_sentence(outcome: &Outcome, order: usize) -> Option<String> {
    let (instance, solution) = (&outcome.instance, &outcome.day.solution);
    let (assignment, _) = solution.by_order(instance).into_iter().nth(order)??;
    let there = Site::Restaurant(instance.orders[order].restaurant);
    let moves = solution.moves.iter().filter(|m| m.courier == assignment.courier && m.to == there);
    let step = moves.filter(|m| m.departure <= assignment.pickup).max_by_key(|m| m.departure)?;
    let arrival = step.arrival(instance);
    Some(format!(
        "{}: {} leaves for the restaurant, is there at {}, waits {} minutes and picks up at {}.",
        clock(step.departure),
        instance.couriers[assignment.courier].id,
        clock(arrival),
        (assignment.pickup - arrival - instance.parameters.half_pickup()).max(0),
        clock(assignment.pickup),
    ))
}

fn courier(instance: &Instance, rider: RiderId) -> &str {
    instance.couriers.get(index_of(rider.0)).map_or("somebody", |c| c.id.as_str())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use super::super::run;
    use super::*;

    #[test]
    fn explanations_are_short_and_use_the_names_of_the_instance() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/instances/harbour");
        let (options, stop) = (DayOptions::default(), AtomicBool::new(false));
        let mut outcomes = run::run_all(run::load(&[dir]).unwrap(), &options, None, &stop, &run::progress()).unwrap();
        explain_worst_orders(&mut outcomes, &options);
        let explanations = &outcomes[0].day.explanations;
        assert_eq!(explanations.len(), 10);
        for explanation in explanations {
            assert!((2..=MAX_SENTENCES).contains(&explanation.sentences.len()), "{explanation:?}");
            assert!(explanation.sentences.iter().all(|s| !s.contains("rdr_")), "{explanation:?}");
            assert!(explanation.sentences.last().unwrap().contains("picks up at"), "{explanation:?}");
        }
    }
}
