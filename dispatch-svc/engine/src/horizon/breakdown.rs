//! The cost of an assignment, term by term: what a route costs more with a delivery than without it.

use super::insertion::Tour;
use super::problem::Problem;
use super::route::{Delay, Tail};
use crate::terms::Terms;

/// The terms of giving `job` to `worker`: the route `with` it less the route `without` it. Their sum is the `delta_ms` of
/// the insertion that leads from one route to the other.
pub(super) fn terms(problem: &Problem, worker: usize, without: &Tour, with: &Tour, job: u32) -> Terms {
    let (known, w) = (&problem.jobs[job as usize], &problem.workers[worker]);
    let (before, after) = (parts(problem, worker, without, job), parts(problem, worker, with, job));
    let food_wait_ms = after.pickup_ms - known.ready_ms;
    let is_first_open = without.open == 0 && with.open > 0;
    let weights = &problem.policy.weights;
    Terms {
        food_wait_ms,
        ride_ms: after.own.ready_to_door_ms - food_wait_ms,
        lateness_ms: after.own.lateness_ms,
        others_ms: after.others_ms - before.others_ms,
        end_ms: after.tail.place_ms + after.tail.time_ms - before.tail.place_ms - before.tail.time_ms,
        busy_ms: after.tail.busy_ms - before.tail.busy_ms,
        acceptance_ms: weights.decline_price_ms(w.rider),
        rating_ms: weights.rating_price_ms(w.rider),
        fairness_ms: if is_first_open { -w.idle_gain_ms } else { 0 },
        absence_ms: if is_first_open { w.absence_ms } else { 0 },
        ..Terms::default()
    }
}

/// What one route costs, as seen from one of its deliveries.
#[derive(Default)]
struct Parts {
    /// The delay of the delivery.
    own: Delay,
    /// When its food is taken, milliseconds since 1970.
    pickup_ms: i64,
    /// The delays of the other deliveries, milliseconds.
    others_ms: i64,
    tail: Tail,
}

/// The parts of a feasible route; of an infeasible one, those before the trip that breaks a constraint.
fn parts(problem: &Problem, worker: usize, tour: &Tour, job: u32) -> Parts {
    let mut parts = Parts::default();
    let mut state = problem.start(worker);
    for trip in &tour.trips {
        let (mut own, mut others_ms) = (None, 0);
        let scheduled = problem.schedule(worker, &state, trip, |j, delay| {
            if j == job {
                own = Some(delay);
            } else {
                others_ms += delay.total_ms();
            }
        });
        parts.others_ms += others_ms;
        let Some((next, pickup)) = scheduled else { return parts };
        if let Some(own) = own {
            (parts.own, parts.pickup_ms) = (own, pickup.pickup_ms);
        }
        state = next;
    }
    parts.tail = problem.tail(worker, &state);
    parts
}
