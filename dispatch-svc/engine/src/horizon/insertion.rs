//! Where one more delivery fits best into one route, and regret insertion: the delivery that would suffer most from not
//! getting its best place is placed first (Potvin and Rousseau 1993; Ropke and Pisinger 2006).

use super::problem::{Leg, Problem};
use super::route::{NEVER, State};

/// A rider's tentative route, with what is needed to price a change of it quickly.
#[derive(Clone, Default)]
pub(super) struct Tour {
    pub legs: Vec<Leg>,
    /// Before each leg, and after the last: the state, and the delays so far.
    pub states: Vec<(State, i64)>,
    /// What the route costs.
    pub cost_ms: i64,
    /// Deliveries in it that the search may move.
    pub open: usize,
    /// A number that no other content has had: prices are remembered by it.
    pub version: u32,
}

impl Tour {
    /// Takes over the content of another without a new allocation.
    pub fn copy(&mut self, other: &Self) {
        self.legs.clone_from(&other.legs);
        self.states.clone_from(&other.states);
        (self.cost_ms, self.open, self.version) = (other.cost_ms, other.open, other.version);
    }

    /// Prices the route as it is now.
    pub fn price(&mut self, problem: &Problem, worker: usize, version: u32) {
        self.version = version;
        self.states.clear();
        let mut state = problem.start(worker);
        let mut delay_ms = 0;
        self.states.push((state, 0));
        let mut is_possible = true;
        self.open = 0;
        for leg in &self.legs {
            self.open += leg.jobs().iter().filter(|j| !problem.jobs[**j as usize].is_fixed).count();
            match problem.drive(worker, &state, leg, |_, delay| delay_ms += delay.total_ms()) {
                Some((next, _)) => state = next,
                None => is_possible = false,
            }
            self.states.push((state, delay_ms));
        }
        self.cost_ms = if is_possible {
            delay_ms + problem.tail_ms(worker, &state) + problem.extras_ms(worker, self.open)
        } else {
            NEVER
        };
    }
}

/// A place in a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// What the route costs more with it.
    pub delta_ms: i64,
    /// Which leg.
    pub leg: u8,
    /// Into that leg at this position; `NEW`: a leg of its own, before it.
    pub at: u8,
}

/// A leg of its own.
pub(super) const NEW: u8 = u8::MAX;

impl Problem<'_> {
    /// What a route costs beyond time: asking for its deliveries, what an idle rider gains, and what the
    /// next orders lose without them.
    pub fn extras_ms(&self, worker: usize, open: usize) -> i64 {
        let w = &self.workers[worker];
        let begin_ms = if open > 0 { w.absence_ms - w.idle_gain_ms } else { 0 };
        w.asking_ms * open as i64 + begin_ms
    }

    /// The most deliveries of one trip of this rider.
    pub fn most(&self, worker: usize) -> usize {
        let most = self.policy.horizon.bundle_most.min(self.workers[worker].rider.capacity);
        (most as usize).clamp(1, Leg::MOST)
    }

    /// The cheapest place of a delivery in a route; `None` when it fits nowhere.
    pub fn best_spot(&self, worker: usize, tour: &Tour, job: u32) -> Option<Spot> {
        let shop = self.jobs[job as usize].shop;
        let extras_ms = self.extras_ms(worker, tour.open + 1);
        let mut best: Option<Spot> = None;
        // The route's cost that the best so far amounts to.
        let mut at_most_ms = NEVER / 2;
        let fixed = self.workers[worker].fixed_trips;
        let alone = Leg::new(shop, job);
        let mut see = |cost_ms: i64, leg: usize, at: u8, at_most_ms: &mut i64| {
            if cost_ms < *at_most_ms {
                *at_most_ms = cost_ms;
                best = Some(Spot { delta_ms: cost_ms + extras_ms - tour.cost_ms, leg: leg as u8, at });
            }
        };
        for n in fixed..=tour.legs.len() {
            let (state, delay_ms) = tour.states[n];
            let rest = std::iter::once(&alone).chain(&tour.legs[n..]);
            let cost_ms = delay_ms + self.cost_from(worker, state, rest, at_most_ms - delay_ms);
            see(cost_ms, n, NEW, &mut at_most_ms);
        }
        let most = self.most(worker);
        for (n, leg) in tour.legs.iter().enumerate() {
            if leg.shop != shop || leg.len() >= most {
                continue;
            }
            let (state, delay_ms) = tour.states[n];
            for at in 0..=leg.len() {
                let mut joined = *leg;
                joined.insert(at, job);
                let rest = std::iter::once(&joined).chain(&tour.legs[n + 1..]);
                let cost_ms = delay_ms + self.cost_from(worker, state, rest, at_most_ms - delay_ms);
                see(cost_ms, n, at as u8, &mut at_most_ms);
            }
        }
        best
    }
}
