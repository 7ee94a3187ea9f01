use super::metrics::bound;
use super::run::Outcome;
use super::solution::{Assignment, Dropoff};

/// How many orders are listed.
const LISTED: usize = 10;

/// A delivered order and its excess over the zero-wait bound.
pub(super) struct WorstOrder<'o> {
    /// Index of the outcome.
    pub day: usize,
    pub outcome: &'o Outcome,
    /// Index of the order.
    pub order: usize,
    pub assignment: &'o Assignment,
    pub dropoff: Dropoff,
    /// Zero-wait bound, minutes.
    pub bound: i64,
    /// Click-to-door − `bound`, minutes.
    pub excess: i64,
}

/// The delivered orders of all days with the largest excess, largest first. Ties keep the order of the input.
pub(super) fn worst_orders(outcomes: &[Outcome]) -> Vec<WorstOrder<'_>> {
    let mut all = Vec::new();
    for (day, outcome) in outcomes.iter().enumerate() {
        let served = outcome.day.solution.by_order(&outcome.instance);
        for (n, (order, served)) in outcome.instance.orders.iter().zip(served).enumerate() {
            let Some((assignment, dropoff)) = served else { continue };
            let bound = bound(&outcome.instance, order);
            let excess = dropoff.at - order.placement - bound;
            all.push(WorstOrder { day, outcome, order: n, assignment, dropoff, bound, excess });
        }
    }
    all.sort_by_key(|worst| -worst.excess);
    all.truncate(LISTED);
    all
}
