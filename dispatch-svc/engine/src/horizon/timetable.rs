//! The planned routes with their times, and the moment at which each rider has to leave.

use super::problem::Problem;
use super::route::RouteState;
use super::search::Search;
use super::trip::{IndexedTrip, NO_SHOP};
use crate::plan::{PlannedRoute, PlannedTrip};
use crate::snapshot::Trip;

/// The routes of all riders who have one.
pub(super) fn routes(problem: &Problem, search: &Search) -> Vec<PlannedRoute> {
    let mut routes = Vec::new();
    for (worker, tour) in search.tours.iter().enumerate() {
        let mut state = problem.start(worker);
        let mut trips = Vec::with_capacity(tour.trips.len());
        for trip in &tour.trips {
            let Some((next, planned)) = plan_trip(problem, worker, &state, trip) else { break };
            trips.push(planned);
            state = next;
        }
        if !trips.is_empty() {
            routes.push(PlannedRoute { rider: problem.workers[worker].rider.id, trips });
        }
    }
    routes
}

fn plan_trip(
    problem: &Problem,
    worker: usize,
    state: &RouteState,
    trip: &IndexedTrip,
) -> Option<(RouteState, PlannedTrip)> {
    let mut dropoffs_at_ms = Vec::with_capacity(trip.len());
    let (next, pickup) = problem.schedule(worker, state, trip, |job, delay| {
        dropoffs_at_ms.push(delay.ready_to_door_ms + problem.jobs[job as usize].ready_ms);
    })?;
    let is_there = state.shop == trip.shop && trip.shop != NO_SHOP;
    let leave_at_ms = if is_there {
        state.at_ms
    } else {
        // Just in time: leaving later makes food wait, leaving earlier makes the rider wait.
        let be_there = trip.jobs().iter().map(|j| problem.jobs[*j as usize].be_there_ms).max().unwrap_or(0);
        let just_in_time_ms = be_there - problem.half_counter_ms - pickup.travel_ms;
        just_in_time_ms.max(pickup.arrive_ms - pickup.travel_ms)
    };
    let deliveries = trip.jobs().iter().map(|j| problem.jobs[*j as usize].delivery.id).collect();
    let shop = problem.jobs[trip.jobs()[0] as usize].delivery.shop;
    let trip = Trip { shop, deliveries };
    Some((next, PlannedTrip { trip, leave_at_ms, pickup_at_ms: pickup.pickup_ms, dropoffs_at_ms }))
}
