//! The policy `horizon`: continuous re-optimisation over all riders and all known deliveries.

mod decide;
mod insertion;
mod problem;
mod route;
mod search;
mod timetable;
mod value;
mod ways;

use self::problem::Problem;
use self::search::Search;
use crate::outcome::{Made, Move, PlannedRoute};
use crate::reposition::{self, Waiting};
use crate::{Decision, Kind, Policy, Snapshot};

/// Decides about every delivery of the snapshot, with the routes that the decisions are part of.
pub(crate) fn plan(snapshot: &Snapshot, policy: &Policy) -> (Vec<Decision>, Vec<PlannedRoute>, Vec<Move>, Made) {
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
    let moves = reposition::moves(snapshot, policy, &waiting(&problem, &search));
    let routes = timetable::routes(&problem, &search);
    (decide::decisions(&problem, &search, &routes), routes, moves, made)
}

/// The riders as they will be when they have done what is planned for them.
fn waiting(problem: &Problem, search: &Search) -> Vec<Waiting> {
    let see = |(tour, worker): (&insertion::Tour, &problem::Worker)| {
        let (end, _) = tour.states.last()?;
        Some(worker.waiting(problem.now_ms, problem.policy, end.at_ms, end.place, tour.legs.is_empty()))
    };
    search.tours.iter().zip(&problem.workers).filter_map(see).collect()
}
