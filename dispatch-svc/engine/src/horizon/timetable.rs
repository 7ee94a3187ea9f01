//! Routes with their times, and the moment at which each rider has to leave.

use super::problem::{Leg, NO_SHOP, Problem};
use super::route::State;
use super::search::Search;
use crate::Trip;
use crate::outcome::{PlannedRoute, PlannedTrip};

/// Every rider who has something to do.
pub(super) fn routes(problem: &Problem, search: &Search) -> Vec<PlannedRoute> {
    let mut routes = Vec::new();
    for (worker, tour) in search.tours.iter().enumerate() {
        let mut state = problem.start(worker);
        let mut trips = Vec::with_capacity(tour.legs.len());
        for leg in &tour.legs {
            let Some((next, trip)) = trip(problem, worker, &state, leg) else { break };
            trips.push(trip);
            state = next;
        }
        if !trips.is_empty() {
            routes.push(PlannedRoute { rider: problem.workers[worker].rider.id, trips });
        }
    }
    routes
}

fn trip(problem: &Problem, worker: usize, state: &State, leg: &Leg) -> Option<(State, PlannedTrip)> {
    let mut dropoffs_at_ms = Vec::with_capacity(leg.len());
    let (next, stops) = problem.drive(worker, state, leg, |job, delay| {
        dropoffs_at_ms.push(delay.door_ms + problem.jobs[job as usize].ready_ms);
    })?;
    let is_there = state.shop == leg.shop && leg.shop != NO_SHOP;
    let leave_at_ms = if is_there {
        state.at_ms
    } else {
        // Just in time: whoever comes later than this makes food wait; whoever comes earlier waits.
        let be_there = leg.jobs().iter().map(|j| problem.jobs[*j as usize].be_there_ms).max().unwrap_or(0);
        let just_in_time_ms = be_there - problem.half_counter_ms - stops.travel_ms;
        just_in_time_ms.max(stops.arrive_ms - stops.travel_ms)
    };
    let deliveries = leg.jobs().iter().map(|j| problem.jobs[*j as usize].delivery.id).collect();
    let shop = problem.jobs[leg.jobs()[0] as usize].delivery.shop;
    let trip = Trip { shop, deliveries };
    Some((next, PlannedTrip { trip, leave_at_ms, pickup_at_ms: stops.pickup_ms, dropoffs_at_ms }))
}
