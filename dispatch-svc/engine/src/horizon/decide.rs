//! From routes to decisions: who is asked now, who is asked later, and what every candidate would cost.

use std::collections::BTreeMap;

use super::insertion::{NEW, Spot, Tour};
use super::problem::{Leg, Problem};
use super::route::{Delay, State};
use super::search::{NOBODY, Search};
use crate::outcome::{Candidate, Chosen, Decision, HoldReason, NobodyReason, Outcome, PlannedRoute, PlannedTrip};
use crate::{Gate, Terms};

/// One decision per delivery that no rider has accepted.
pub(super) fn decisions(problem: &Problem, search: &Search, routes: &[PlannedRoute]) -> Vec<Decision> {
    let mut asked: BTreeMap<usize, u32> = BTreeMap::new();
    let open = (0..problem.jobs.len() as u32).filter(|job| !problem.jobs[*job as usize].is_accepted);
    open.map(|job| decide(problem, search, routes, job, &mut asked)).collect()
}

fn decide(
    problem: &Problem,
    search: &Search,
    routes: &[PlannedRoute],
    job: u32,
    asked: &mut BTreeMap<usize, u32>,
) -> Decision {
    let known = &problem.jobs[job as usize];
    let delivery = known.delivery;
    let bare = |outcome| Decision { delivery: delivery.id, outcome, candidates: Vec::new(), left_out: 0 };
    if delivery.offers_wanted == 0 {
        return bare(Outcome::Nobody { reason: NobodyReason::NoneWanted });
    }
    if known.is_given_up {
        return bare(Outcome::Nobody { reason: NobodyReason::GivenUp });
    }
    let carrier = search.carrier[job as usize];
    let rivals = Rivals::of(problem, search, job);
    let outcome = if carrier == NOBODY {
        let reason = if problem.workers.is_empty() { NobodyReason::NoRiders } else { NobodyReason::NobodyFits };
        Outcome::Nobody { reason }
    } else {
        match when(problem, routes, job, carrier as usize, asked) {
            Err((until_ms, reason)) => Outcome::Hold { until_ms, reason },
            Ok(()) => Outcome::Offer { riders: rivals.choose(problem, job, carrier as usize, asked) },
        }
    };
    let (candidates, left_out) = rivals.listed(problem, job);
    Decision { delivery: delivery.id, outcome, candidates, left_out }
}

/// Is now the moment to ask the planned rider? If not: when, and why not.
fn when(
    problem: &Problem,
    routes: &[PlannedRoute],
    job: u32,
    worker: usize,
    asked: &BTreeMap<usize, u32>,
) -> Result<(), (i64, HoldReason)> {
    let (known, rider) = (&problem.jobs[job as usize], problem.workers[worker].rider);
    let policy = problem.policy;
    let search_from_ms = known.ready_ms.saturating_sub(policy.search_lead_ms.max(0));
    if problem.now_ms < search_from_ms {
        return Err((search_from_ms, HoldReason::TooEarly));
    }
    let later = |ms: i64| ms.max(problem.now_ms + 1);
    let trips: &[PlannedTrip] = routes.binary_search_by_key(&rider.id, |r| r.rider).map_or(&[], |n| &routes[n].trips);
    let id = known.delivery.id;
    let Some(n) = trips.iter().position(|t| t.trip.deliveries.contains(&id)) else {
        return Err((later(known.ready_ms), HoldReason::Planned));
    };
    let ask_at_ms = trips[n].leave_at_ms.saturating_sub(policy.horizon.offer_lead_ms.max(0));
    // What is added to a trip that the rider has accepted is asked for at once: they may be at the counter soon.
    if n >= problem.workers[worker].fixed_trips {
        if ask_at_ms > problem.now_ms {
            return Err((ask_at_ms, HoldReason::Planned));
        }
        // Not before what comes before it is accepted.
        if n > problem.workers[worker].fixed_trips {
            return Err((later(trips[n].leave_at_ms), HoldReason::Planned));
        }
    }
    if rider.load + asked.get(&worker).copied().unwrap_or(0) >= rider.capacity {
        return Err((later(rider.free_at_ms), HoldReason::RiderFull));
    }
    Ok(())
}

/// Everybody who might carry one delivery, with prices, the cheapest first.
struct Rivals {
    priced: Vec<(i64, u32, Terms)>,
    /// Candidates whose shift ends too early.
    too_late: Vec<u32>,
}

impl Rivals {
    fn of(problem: &Problem, search: &Search, job: u32) -> Self {
        let mut this = Self { priced: Vec::new(), too_late: Vec::new() };
        let delivery = problem.jobs[job as usize].delivery;
        let wants_many = delivery.offers_wanted > 1;
        let carrier = search.carrier[job as usize];
        let mut with = Tour::default();
        for (candidate, worker) in problem.jobs[job as usize].candidates.iter().enumerate() {
            // Nobody reads the others, and nobody needs them.
            if problem.policy.candidates_listed == 0 && !wants_many && *worker != carrier {
                continue;
            }
            let tour = &search.tours[*worker as usize];
            let terms = if *worker == carrier {
                terms(problem, *worker as usize, &without(problem, *worker as usize, tour, job), tour, job)
            } else if let Some(spot) = search.seen_spot(job, candidate) {
                with.legs.clone_from(&tour.legs);
                put(problem, &mut with, job, spot);
                with.open = tour.open + 1;
                let terms = terms(problem, *worker as usize, tour, &with, job);
                debug_assert_eq!(terms.total(), spot.delta_ms, "told is not what the search weighed");
                terms
            } else {
                this.too_late.push(*worker);
                continue;
            };
            this.priced.push((terms.total(), *worker, terms));
        }
        this.priced.sort_unstable_by_key(|(cost, worker, _)| (*cost, *worker));
        this
    }

    /// The planned rider, and the next best if more are to be asked at once.
    fn choose(&self, problem: &Problem, job: u32, carrier: usize, asked: &mut BTreeMap<usize, u32>) -> Vec<Chosen> {
        let wanted = problem.jobs[job as usize].delivery.offers_wanted as usize;
        let has_room = |worker: usize, asked: &BTreeMap<usize, u32>| {
            let rider = problem.workers[worker].rider;
            rider.load + asked.get(&worker).copied().unwrap_or(0) < rider.capacity
        };
        let planned = self.priced.iter().filter(|(_, w, _)| *w as usize == carrier);
        let others = self.priced.iter().filter(|(_, w, _)| *w as usize != carrier && has_room(*w as usize, asked));
        let chosen: Vec<_> = planned.chain(others).take(wanted).copied().collect();
        let choose = |(cost, worker, terms): (i64, u32, Terms)| {
            *asked.entry(worker as usize).or_default() += 1;
            Chosen { rider: problem.workers[worker as usize].rider.id, cost, terms }
        };
        chosen.into_iter().map(choose).collect()
    }

    /// Everybody, at most as many as the policy lists, and how many more there are.
    fn listed(self, problem: &Problem, job: u32) -> (Vec<Candidate>, u32) {
        let most = problem.policy.candidates_listed as usize;
        let all = problem.workers.len();
        if most == 0 {
            return (Vec::new(), all as u32);
        }
        let id = |worker: u32| problem.workers[worker as usize].rider.id;
        let priced = self.priced.iter().map(|(cost, worker, terms)| Candidate {
            rider: id(*worker),
            gate: None,
            cost: Some(*cost),
            terms: Some(*terms),
        });
        let closed = |worker: u32, gate| Candidate { rider: id(worker), gate: Some(gate), cost: None, terms: None };
        let known = &problem.jobs[job as usize].candidates;
        // Riders are numbered by id, so those behind a gate come by id.
        let gated = (0..all as u32).filter_map(|w| match known.binary_search(&w) {
            Err(_) => Some(closed(w, problem.gate(job, w as usize).unwrap_or(Gate::OutOfReach))),
            Ok(_) => self.too_late.contains(&w).then(|| closed(w, Gate::ShiftOver)),
        });
        let listed: Vec<Candidate> = priced.chain(gated).take(most).collect();
        let left_out = all.saturating_sub(listed.len());
        (listed, left_out as u32)
    }
}

fn without(problem: &Problem, worker: usize, tour: &Tour, job: u32) -> Tour {
    let mut tour = tour.clone();
    for n in 0..tour.legs.len() {
        if let Some(at) = tour.legs[n].jobs().iter().position(|j| *j == job) {
            if tour.legs[n].len() == 1 {
                tour.legs.remove(n);
            } else {
                tour.legs[n].remove(at);
            }
            break;
        }
    }
    tour.price(problem, worker, 0);
    tour
}

fn put(problem: &Problem, tour: &mut Tour, job: u32, spot: Spot) {
    if spot.at == NEW {
        tour.legs.insert(usize::from(spot.leg), Leg::new(problem.jobs[job as usize].shop, job));
    } else {
        tour.legs[usize::from(spot.leg)].insert(usize::from(spot.at), job);
    }
}

/// What one route is made of.
#[derive(Default)]
struct Parts {
    own: Delay,
    pickup_ms: i64,
    others_ms: i64,
    end: Option<State>,
}

fn parts(problem: &Problem, worker: usize, tour: &Tour, job: u32) -> Parts {
    let mut parts = Parts::default();
    let mut state = problem.start(worker);
    for leg in &tour.legs {
        let (mut own, mut others_ms) = (None, 0);
        let drive = problem.drive(worker, &state, leg, |j, delay| {
            if j == job {
                own = Some(delay);
            } else {
                others_ms += delay.total_ms();
            }
        });
        parts.others_ms += others_ms;
        let Some((next, stops)) = drive else { return parts };
        if let Some(own) = own {
            (parts.own, parts.pickup_ms) = (own, stops.pickup_ms);
        }
        state = next;
    }
    parts.end = Some(state);
    parts
}

/// The price of a delivery in a route, taken apart: the route with it less the route without it.
fn terms(problem: &Problem, worker: usize, without: &Tour, with: &Tour, job: u32) -> Terms {
    let (known, w) = (&problem.jobs[job as usize], &problem.workers[worker]);
    let (before, after) = (parts(problem, worker, without, job), parts(problem, worker, with, job));
    let tail = |end: Option<State>| end.map_or([0; 3], |state| problem.tail_parts_ms(worker, &state));
    let (tail_before, tail_after) = (tail(before.end), tail(after.end));
    let food_wait_ms = after.pickup_ms - known.ready_ms;
    let begins = before_is_empty(without) && with.open > 0;
    let weights = &problem.policy.weights;
    let rating_ms = weights.rating_price_ms(w.rider);
    Terms {
        food_wait_ms,
        ride_ms: after.own.door_ms - food_wait_ms,
        lateness_ms: after.own.late_ms,
        others_ms: after.others_ms - before.others_ms,
        end_ms: tail_after[0] + tail_after[1] - tail_before[0] - tail_before[1],
        busy_ms: tail_after[2] - tail_before[2],
        acceptance_ms: w.asking_ms - rating_ms,
        rating_ms,
        fairness_ms: if begins { -w.idle_gain_ms } else { 0 },
        absence_ms: if begins { w.absence_ms } else { 0 },
        ..Terms::default()
    }
}

fn before_is_empty(tour: &Tour) -> bool {
    tour.open == 0
}
