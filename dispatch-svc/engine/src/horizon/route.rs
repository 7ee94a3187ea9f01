//! What a route costs: the clock goes through it once, trip by trip.
//!
//! At a counter a rider is served for half the counter time, takes the food when all of it is ready, and leaves half the
//! counter time later; at a door likewise. Who stands at the counter already has been served.
//! Where it is uncertain when food will be ready, every moment counts with equal weight: the expected pickup is the mean
//! of max(ready, served) over them, and the clock goes on from there.

use super::problem::{Leg, NO_SHOP, Problem};
use super::ways::From;

/// Cannot be: a pickup after the end of the shift.
pub(super) const NEVER: i64 = i64::MAX / 8;

/// A rider at one moment of a route.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    /// When they are free. At a counter: when they arrived.
    pub at_ms: i64,
    /// Where: a door or counter.
    pub from: From,
    pub place: crate::Point,
    pub shop: u32,
    /// What ending here is worth.
    pub end_ms: i64,
    /// Time in motion and at stops so far.
    pub busy_ms: i64,
}

/// What one trip does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stops {
    /// At the counter.
    pub arrive_ms: i64,
    /// From where they were.
    pub travel_ms: i64,
    /// The food is taken.
    pub pickup_ms: i64,
}

/// What the deliveries of a trip cost, taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delay {
    /// From ready to the door.
    pub door_ms: i64,
    /// Weighted: after the promise.
    pub late_ms: i64,
}

impl Delay {
    pub fn total_ms(self) -> i64 {
        self.door_ms + self.late_ms
    }
}

impl Problem<'_> {
    /// Where a rider begins.
    pub fn start(&self, worker: usize) -> State {
        let w = &self.workers[worker];
        State {
            at_ms: w.free_at_ms,
            from: From::Start(worker as u32),
            place: w.free_place,
            shop: w.at_counter,
            end_ms: w.end_ms,
            busy_ms: 0,
        }
    }

    /// One trip from `state`. `each` hears every delivery's delay. `None` when the shift is over by then.
    #[inline]
    pub fn drive(
        &self,
        worker: usize,
        state: &State,
        leg: &Leg,
        mut each: impl FnMut(u32, Delay),
    ) -> Option<(State, Stops)> {
        let w = &self.workers[worker];
        let first = &self.jobs[leg.jobs()[0] as usize];
        let (arrive_ms, travel_ms) = if state.shop == leg.shop && leg.shop != NO_SHOP {
            (state.at_ms, 0)
        } else {
            let travel_ms = self.ways.to_counter_ms(w.pace, state.from, state.place, leg.shop, first.pickup);
            (state.at_ms.max(self.now_ms) + travel_ms, travel_ms)
        };
        let served_ms = (arrive_ms + self.half_counter_ms).max(self.now_ms);
        let pickup_ms = self.pickup_ms(leg, served_ms);
        // Whoever has accepted something also finishes it.
        if pickup_ms > w.shift_end_ms && leg.jobs().iter().any(|j| !self.jobs[*j as usize].is_fixed) {
            return None;
        }
        let mut at_ms = pickup_ms + self.half_counter_ms;
        let mut place = first.pickup;
        let mut end_ms = 0;
        let mut last = 0;
        let mut is_first = true;
        for number in leg.jobs() {
            let job = &self.jobs[*number as usize];
            let travel_ms = if !is_first {
                w.pace.travel_ms(place, job.dropoff)
            } else if w.pace == self.common {
                job.ride_ms
            } else {
                w.pace.way_ms(job.ride_m)
            };
            is_first = false;
            let drop_ms = at_ms + travel_ms + self.half_door_ms;
            let late_ms = (drop_ms - job.promise_at_ms).max(0) * self.policy.horizon.late_permille / 1_000;
            each(*number, Delay { door_ms: drop_ms - job.ready_ms, late_ms });
            at_ms = drop_ms + self.half_door_ms;
            place = job.dropoff;
            end_ms = job.end_ms;
            last = *number;
        }
        let busy_ms = state.busy_ms + travel_ms + (at_ms - pickup_ms) + self.half_counter_ms;
        Some((
            State { at_ms, from: From::Door(last), place, shop: NO_SHOP, end_ms, busy_ms },
            Stops { arrive_ms, travel_ms, pickup_ms },
        ))
    }

    /// When the food of a trip is taken by somebody who is served at `served_ms`.
    #[inline]
    pub fn pickup_ms(&self, leg: &Leg, served_ms: i64) -> i64 {
        if let [only] = leg.jobs() {
            let job = &self.jobs[*only as usize];
            if job.moments == 1 {
                return served_ms.max(job.ready[0]);
            }
        }
        let moments = leg.jobs().iter().map(|j| self.jobs[*j as usize].moments).max().unwrap_or(1);
        let mut beyond_ms = 0;
        for n in 0..moments {
            let ready = leg.jobs().iter().map(|j| {
                let job = &self.jobs[*j as usize];
                job.ready[n * job.moments / moments]
            });
            beyond_ms += ready.fold(served_ms, i64::max) - served_ms;
        }
        served_ms + beyond_ms / moments as i64
    }

    /// What it costs beyond the delays that a route ends like this.
    #[inline]
    pub fn tail_ms(&self, worker: usize, state: &State) -> i64 {
        self.tail_parts_ms(worker, state).iter().sum()
    }

    /// The place and the time of a route's end, and its work. Time after the shift is nobody's loss.
    #[inline]
    pub fn tail_parts_ms(&self, worker: usize, state: &State) -> [i64; 3] {
        let shift_end_ms = self.workers[worker].shift_end_ms;
        let free_in_ms = (state.at_ms.min(shift_end_ms) - self.now_ms).max(0);
        [
            if state.at_ms < shift_end_ms { state.end_ms } else { 0 },
            free_in_ms * self.value.time_permille / 1_000,
            state.busy_ms * self.policy.horizon.busy_permille / 1_000,
        ]
    }

    /// What the rest of a route costs; [`NEVER`] as soon as that is at least `at_most_ms`.
    #[inline]
    pub fn cost_from<'l>(
        &self,
        worker: usize,
        start: State,
        legs: impl Iterator<Item = &'l Leg>,
        at_most_ms: i64,
    ) -> i64 {
        let mut state = start;
        let mut cost_ms = 0;
        for leg in legs {
            match self.drive(worker, &state, leg, |_, delay| cost_ms += delay.total_ms()) {
                // What comes only adds to it.
                Some(_) if cost_ms >= at_most_ms => return NEVER,
                Some((next, _)) => state = next,
                None => return NEVER,
            }
        }
        cost_ms + self.tail_ms(worker, &state)
    }
}
