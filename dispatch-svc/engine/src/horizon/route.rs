//! The schedule and the cost of a route: the clock goes through it once, trip by trip.
//!
//! At a counter a rider is served for half of the service time, takes the food when all of it is ready, and leaves after
//! the other half; at a door likewise. A rider who is at the counter already has been served from their arrival on.
//! Where ready times are uncertain, the expected pickup is the mean of max(ready, served) over the possible times, and the
//! clock goes on from there.

use super::problem::Problem;
use super::travel_cache::Origin;
use super::trip::{IndexedTrip, NO_SHOP};
use crate::travel::Point;

/// The cost of a route that breaks a constraint. Sums of it and of other costs do not overflow.
pub(super) const INFEASIBLE: i64 = i64::MAX / 8;

/// A rider between two trips of a route.
#[derive(Clone, Copy, Debug)]
pub(super) struct RouteState {
    /// When the rider is free, milliseconds since 1970; at a counter, the time of arrival there.
    pub at_ms: i64,
    pub origin: Origin,
    pub place: Point,
    /// The number of the shop at whose counter `place` is.
    pub shop: u32,
    /// The cost of a route that ends at `place`, milliseconds.
    pub end_place_ms: i64,
    /// Time in motion and at stops so far, milliseconds.
    pub busy_ms: i64,
}

/// The times of a pickup.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pickup {
    /// Arrival at the counter, milliseconds since 1970.
    pub arrive_ms: i64,
    /// The ride to the counter, milliseconds.
    pub travel_ms: i64,
    /// When the rider takes the food, milliseconds since 1970.
    pub pickup_ms: i64,
}

/// The cost of one delivery's drop-off time, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delay {
    /// From the mean ready time to the door.
    pub ready_to_door_ms: i64,
    /// The time after the promise, weighted.
    pub lateness_ms: i64,
}

impl Delay {
    pub fn total_ms(self) -> i64 {
        self.ready_to_door_ms + self.lateness_ms
    }
}

/// The cost of a route beyond the delays of its deliveries and the price of its rider, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// Where the route ends.
    pub place_ms: i64,
    /// When it ends.
    pub time_ms: i64,
    /// Time in motion and at stops, weighted.
    pub busy_ms: i64,
}

impl Tail {
    pub fn total_ms(self) -> i64 {
        self.place_ms + self.time_ms + self.busy_ms
    }
}

impl Problem<'_> {
    /// The state at the beginning of a worker's route.
    pub fn start(&self, worker: usize) -> RouteState {
        let w = &self.workers[worker];
        RouteState {
            at_ms: w.free_at_ms,
            origin: Origin::Start(worker as u32),
            place: w.free_place,
            shop: w.at_counter,
            end_place_ms: w.end_place_ms,
            busy_ms: 0,
        }
    }

    /// Schedules one trip from `state` on and passes the delay of every delivery to `on_delay`. `None` if the pickup is
    /// after the end of the shift and the trip has a delivery that is not fixed.
    #[inline]
    pub fn schedule(
        &self,
        worker: usize,
        state: &RouteState,
        trip: &IndexedTrip,
        mut on_delay: impl FnMut(u32, Delay),
    ) -> Option<(RouteState, Pickup)> {
        let w = &self.workers[worker];
        let first = &self.jobs[trip.jobs()[0] as usize];
        let (arrive_ms, travel_ms) = if state.shop == trip.shop && trip.shop != NO_SHOP {
            (state.at_ms, 0)
        } else {
            let travel_ms = self.travel_cache.to_counter_ms(w.pace, state.origin, state.place, trip.shop, first.pickup);
            (state.at_ms.max(self.now_ms) + travel_ms, travel_ms)
        };
        let served_ms = (arrive_ms + self.half_counter_ms).max(self.now_ms);
        let pickup_ms = self.pickup_ms(trip, served_ms);
        // What is fixed is also finished.
        if pickup_ms > w.shift_end_ms && trip.jobs().iter().any(|j| !self.jobs[*j as usize].is_fixed) {
            return None;
        }
        let mut at_ms = pickup_ms + self.half_counter_ms;
        let mut place = first.pickup;
        let mut end_place_ms = 0;
        let mut last = 0;
        let mut is_first = true;
        for number in trip.jobs() {
            let job = &self.jobs[*number as usize];
            let travel_ms = if !is_first {
                w.pace.travel_ms(place, job.dropoff)
            } else if w.pace == self.common_pace {
                job.ride_ms
            } else {
                w.pace.duration_ms(job.ride_m)
            };
            is_first = false;
            let drop_ms = at_ms + travel_ms + self.half_door_ms;
            let lateness_ms = (drop_ms - job.promise_at_ms).max(0) * self.policy.horizon.late_permille / 1_000;
            on_delay(*number, Delay { ready_to_door_ms: drop_ms - job.ready_ms, lateness_ms });
            at_ms = drop_ms + self.half_door_ms;
            place = job.dropoff;
            end_place_ms = job.end_place_ms;
            last = *number;
        }
        let busy_ms = state.busy_ms + travel_ms + (at_ms - pickup_ms) + self.half_counter_ms;
        Some((
            RouteState { at_ms, origin: Origin::Door(last), place, shop: NO_SHOP, end_place_ms, busy_ms },
            Pickup { arrive_ms, travel_ms, pickup_ms },
        ))
    }

    /// The expected pickup of a rider who has been served at `served_ms`, milliseconds since 1970. The possible ready
    /// times of a bundle's deliveries are paired by rank, because one kitchen cooks them.
    #[inline]
    pub fn pickup_ms(&self, trip: &IndexedTrip, served_ms: i64) -> i64 {
        if let [only] = trip.jobs() {
            let job = &self.jobs[*only as usize];
            if job.ready_times == 1 {
                return served_ms.max(job.ready[0]);
            }
        }
        let times = trip.jobs().iter().map(|j| self.jobs[*j as usize].ready_times).max().unwrap_or(1);
        let mut waits_ms = 0;
        for n in 0..times {
            let ready = trip.jobs().iter().map(|j| {
                let job = &self.jobs[*j as usize];
                job.ready[n * job.ready_times / times]
            });
            waits_ms += ready.fold(served_ms, i64::max) - served_ms;
        }
        served_ms + waits_ms / times as i64
    }

    /// The cost of a route that ends in `state`, beyond the delays and the price of its rider. A time after the end of the
    /// shift costs no more than the end of the shift, and the place does not matter then.
    #[inline]
    pub fn tail(&self, worker: usize, state: &RouteState) -> Tail {
        let shift_end_ms = self.workers[worker].shift_end_ms;
        let free_in_ms = (state.at_ms.min(shift_end_ms) - self.now_ms).max(0);
        Tail {
            place_ms: if state.at_ms < shift_end_ms { state.end_place_ms } else { 0 },
            time_ms: free_in_ms * self.end_cost.time_permille / 1_000,
            busy_ms: state.busy_ms * self.policy.horizon.busy_permille / 1_000,
        }
    }

    /// The price of a route's rider, milliseconds, when `open` of its deliveries are not fixed: asking for each of them,
    /// and once the absence less the bonus for having been idle.
    pub fn rider_price_ms(&self, worker: usize, open: usize) -> i64 {
        let w = &self.workers[worker];
        let once_ms = if open > 0 { w.absence_ms - w.idle_gain_ms } else { 0 };
        w.asking_ms * open as i64 + once_ms
    }

    /// The delays of these trips from `start` on and the tail, milliseconds; [`INFEASIBLE`] if a trip is, or as soon as the
    /// delays reach `limit_ms`.
    #[inline]
    pub fn cost_from<'t>(
        &self,
        worker: usize,
        start: RouteState,
        trips: impl Iterator<Item = &'t IndexedTrip>,
        limit_ms: i64,
    ) -> i64 {
        let mut state = start;
        let mut cost_ms = 0;
        for trip in trips {
            match self.schedule(worker, &state, trip, |_, delay| cost_ms += delay.total_ms()) {
                // The rest can only add to it.
                Some(_) if cost_ms >= limit_ms => return INFEASIBLE,
                Some((next, _)) => state = next,
                None => return INFEASIBLE,
            }
        }
        cost_ms + self.tail(worker, &state).total_ms()
    }
}
