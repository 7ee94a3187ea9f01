//! The policy `horizon`: continuous re-optimisation over all riders and all known deliveries.

mod insertion;
mod problem;
mod route;
mod search;
mod timetable;
mod value;

use self::problem::Problem;
use self::search::Search;
use crate::outcome::{Made, PlannedRoute};
use crate::{Decision, Kind, Policy, Snapshot};

/// Decides about every delivery of the snapshot, with the routes that the decisions are part of.
pub(crate) fn plan(snapshot: &Snapshot, policy: &Policy) -> (Vec<Decision>, Vec<PlannedRoute>, Made) {
    let problem = Problem::new(snapshot, policy);
    let mut search = Search::new(&problem, policy.seed);
    search.warm_start(&snapshot.previous);
    search.fill();
    let before_ms = search.objective_ms();
    let open = problem.jobs.iter().filter(|j| !j.is_fixed).count() as u32;
    let steps = open.saturating_mul(policy.horizon.steps_per_delivery).min(policy.horizon.steps_most);
    let better = search.improve(steps);
    let made =
        Made { by: Kind::Horizon, seed: policy.seed, steps, better, objective_ms: (before_ms, search.objective_ms()) };
    (Vec::new(), timetable::routes(&problem, &search), made)
}
