//! The algorithm `horizon`: continuous re-optimisation of all riders' routes over all known deliveries.
//!
//! [`problem`] prepares the snapshot, [`search`] finds routes, [`timetable`] gives them times, [`decide`] turns them
//! into decisions. What a route costs is in [`route`].

mod breakdown;
mod candidates;
mod decide;
mod end_cost;
mod fixed_points;
mod insertion;
mod insertion_cache;
mod job;
mod problem;
mod removal;
mod route;
mod search;
mod timetable;
mod travel_cache;
mod trip;
mod worker;

use pannier_contracts::DeliveryId;
use pannier_contracts::zone::DispatchAlgorithm;

use self::insertion::Tour;
use self::problem::Problem;
use self::search::Search;
use self::worker::Worker;
use crate::plan::{Candidate, Plan, PlanReport};
use crate::policy::Policy;
use crate::reposition::{self, WaitingRider};
use crate::snapshot::Snapshot;

/// Plans the routes of all riders and decides about every delivery that no rider has accepted.
pub(crate) fn plan(snapshot: &Snapshot, policy: &Policy) -> Plan {
    let problem = Problem::new(snapshot, policy);
    let mut search = Search::new(&problem, policy.seed);
    search.warm_start(&snapshot.previous);
    search.construct();
    let objective_before_ms = search.objective_ms();
    let open = problem.open.len() as u32;
    let steps = open.saturating_mul(policy.horizon.steps_per_delivery).min(policy.horizon.steps_most);
    let improvements = search.improve(steps);
    let report = PlanReport {
        algorithm: DispatchAlgorithm::Horizon,
        seed: policy.seed,
        steps,
        improvements,
        objective_before_ms,
        objective_after_ms: search.objective_ms(),
    };
    let moves = reposition::moves(snapshot, policy, &waiting_riders(&problem, &search));
    let routes = timetable::routes(&problem, &search);
    Plan { decisions: decide::decisions(&problem, &search, &routes), routes, moves, report }
}

/// The riders as candidates for one delivery, priced by routes that are not improved.
pub(crate) fn candidates(snapshot: &Snapshot, policy: &Policy, delivery: DeliveryId) -> Vec<Candidate> {
    let problem = Problem::new(snapshot, policy);
    let mut search = Search::new(&problem, policy.seed);
    search.warm_start(&snapshot.previous);
    search.construct();
    decide::candidates(&problem, &search, delivery)
}

/// The riders as they will be at the end of their planned routes.
fn waiting_riders(problem: &Problem, search: &Search) -> Vec<WaitingRider> {
    let at_end = |(tour, worker): (&Tour, &Worker)| {
        let end = &tour.states.last()?.route;
        Some(worker.waiting(problem.now_ms, problem.policy, end.at_ms, end.place, tour.trips.is_empty()))
    };
    search.tours.iter().zip(&problem.workers).filter_map(at_end).collect()
}
