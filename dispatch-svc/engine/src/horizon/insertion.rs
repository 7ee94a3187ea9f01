//! Insertion: the cheapest position of one more delivery in a rider's route.

use super::problem::Problem;
use super::route::{INFEASIBLE, RouteState};
use super::trip::{IndexedTrip, remove_job};

/// A worker's tentative route, with what is needed to price a change of it quickly.
#[derive(Clone, Default)]
pub(super) struct Tour {
    pub trips: Vec<IndexedTrip>,
    /// Before each trip, and after the last one.
    pub states: Vec<TourState>,
    /// The cost of the route, milliseconds; at least [`INFEASIBLE`] / 2 if it breaks a constraint.
    pub cost_ms: i64,
    /// Deliveries of it that are not fixed.
    pub open: usize,
    /// Identifies the content: no other content of any tour has had this number.
    pub version: u32,
}

/// A position between two trips of a tour.
#[derive(Clone, Copy)]
pub(super) struct TourState {
    pub route: RouteState,
    /// The delays of the trips before it, milliseconds.
    pub delay_ms: i64,
}

impl Tour {
    /// Takes over the content of another tour, with its version, and keeps its own allocations.
    pub fn copy_from(&mut self, other: &Self) {
        self.trips.clone_from(&other.trips);
        self.states.clone_from(&other.states);
        (self.cost_ms, self.open, self.version) = (other.cost_ms, other.open, other.version);
    }

    /// Computes states, cost and open deliveries from the trips.
    pub fn evaluate(&mut self, problem: &Problem, worker: usize, version: u32) {
        self.version = version;
        self.states.clear();
        let mut route = problem.start(worker);
        let mut delay_ms = 0;
        self.states.push(TourState { route, delay_ms });
        let mut is_feasible = true;
        self.open = 0;
        for trip in &self.trips {
            self.open += trip.jobs().iter().filter(|j| !problem.jobs[**j as usize].is_fixed).count();
            match problem.schedule(worker, &route, trip, |_, delay| delay_ms += delay.total_ms()) {
                Some((next, _)) => route = next,
                None => is_feasible = false,
            }
            self.states.push(TourState { route, delay_ms });
        }
        self.cost_ms = if is_feasible {
            delay_ms + problem.tail(worker, &route).total_ms() + problem.rider_price_ms(worker, self.open)
        } else {
            INFEASIBLE
        };
    }

    /// Adds a job of a shop. States and cost are out of date until [`Tour::evaluate`].
    pub fn insert(&mut self, shop: u32, job: u32, insertion: Insertion) {
        let trip = usize::from(insertion.trip);
        match insertion.position {
            None => self.trips.insert(trip, IndexedTrip::new(shop, job)),
            Some(position) => self.trips[trip].insert(usize::from(position), job),
        }
    }

    /// Takes a job out. States and cost are out of date until [`Tour::evaluate`].
    pub fn remove(&mut self, job: u32) {
        remove_job(&mut self.trips, job);
    }
}

/// A position for one more delivery in a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Insertion {
    /// What the route costs more with it, milliseconds.
    pub delta_ms: i64,
    /// The number of the trip.
    pub trip: u8,
    /// The position in that trip; `None` for a trip of its own, before that trip.
    pub position: Option<u8>,
}

impl Problem<'_> {
    /// The most deliveries of one trip of this worker.
    pub fn bundle_most(&self, worker: usize) -> usize {
        let most = self.policy.horizon.bundle_most.min(self.workers[worker].rider.capacity);
        (most as usize).clamp(1, IndexedTrip::MOST)
    }

    /// The cheapest insertion of a job into a route; `None` if every one breaks a constraint.
    pub fn best_insertion(&self, worker: usize, tour: &Tour, job: u32) -> Option<Insertion> {
        let shop = self.jobs[job as usize].shop;
        let rider_price_ms = self.rider_price_ms(worker, tour.open + 1);
        let mut best: Option<Insertion> = None;
        // The cost of the route with the best insertion so far, without the price of its rider.
        let mut limit_ms = INFEASIBLE / 2;
        let fixed = self.workers[worker].fixed_trips;
        let alone = IndexedTrip::new(shop, job);
        let mut consider = |cost_ms: i64, trip: usize, position: Option<u8>, limit_ms: &mut i64| {
            if cost_ms < *limit_ms {
                *limit_ms = cost_ms;
                best =
                    Some(Insertion { delta_ms: cost_ms + rider_price_ms - tour.cost_ms, trip: trip as u8, position });
            }
        };
        for n in fixed..=tour.trips.len() {
            let TourState { route, delay_ms } = tour.states[n];
            let rest = std::iter::once(&alone).chain(&tour.trips[n..]);
            let cost_ms = delay_ms + self.cost_from(worker, route, rest, limit_ms - delay_ms);
            consider(cost_ms, n, None, &mut limit_ms);
        }
        let most = self.bundle_most(worker);
        for (n, trip) in tour.trips.iter().enumerate() {
            if trip.shop != shop || trip.len() >= most {
                continue;
            }
            let TourState { route, delay_ms } = tour.states[n];
            for position in 0..=trip.len() {
                let mut joined = *trip;
                joined.insert(position, job);
                let rest = std::iter::once(&joined).chain(&tour.trips[n + 1..]);
                let cost_ms = delay_ms + self.cost_from(worker, route, rest, limit_ms - delay_ms);
                consider(cost_ms, n, Some(position as u8), &mut limit_ms);
            }
        }
        best
    }
}
