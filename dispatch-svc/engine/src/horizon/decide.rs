//! From routes to decisions: which riders get an offer now, which deliveries are held, and what every candidate would
//! cost.

use std::collections::BTreeMap;

use pannier_contracts::DeliveryId;

use super::breakdown::terms;
use super::insertion::Tour;
use super::job::number_of;
use super::problem::Problem;
use super::search::Search;
use crate::gates::{Gate, standing_gate};
use crate::plan::{Candidate, Chosen, Decision, HoldReason, NobodyReason, Outcome, PlannedRoute, PlannedTrip};
use crate::terms::Terms;

/// How many offers this plan has made to each worker so far.
type Offers = BTreeMap<usize, u32>;

/// One decision per delivery that no rider has accepted.
pub(super) fn decisions(problem: &Problem, search: &Search, routes: &[PlannedRoute]) -> Vec<Decision> {
    let mut offers = Offers::new();
    let undecided = (0..problem.jobs.len() as u32).filter(|job| !problem.jobs[*job as usize].is_accepted);
    undecided.map(|job| decide(problem, search, routes, job, &mut offers)).collect()
}

/// The riders as candidates for one delivery; none for one that a rider has accepted.
pub(super) fn candidates(problem: &Problem, search: &Search, delivery: DeliveryId) -> Vec<Candidate> {
    match number_of(&problem.jobs, delivery).filter(|job| !problem.jobs[*job].is_accepted) {
        Some(job) => PricedCandidates::of(problem, search, job as u32).list(problem, job as u32).0,
        None => Vec::new(),
    }
}

fn decide(problem: &Problem, search: &Search, routes: &[PlannedRoute], job: u32, offers: &mut Offers) -> Decision {
    let known = &problem.jobs[job as usize];
    let delivery = known.delivery;
    let without_candidates = |outcome| Decision { delivery: delivery.id, outcome, candidates: Vec::new(), left_out: 0 };
    if delivery.offers_wanted == 0 {
        return without_candidates(Outcome::Nobody { reason: NobodyReason::NoneWanted });
    }
    if known.is_given_up {
        return without_candidates(Outcome::Nobody { reason: NobodyReason::GivenUp });
    }
    let priced = PricedCandidates::of(problem, search, job);
    let outcome = match search.worker_of[job as usize] {
        Some(worker) => hold(problem, routes, job, worker as usize, offers)
            .unwrap_or_else(|| Outcome::Offer { riders: priced.choose(problem, job, worker, offers) }),
        None if problem.workers.is_empty() => Outcome::Nobody { reason: NobodyReason::NoRiders },
        None => Outcome::Nobody { reason: NobodyReason::NobodyFits },
    };
    let (candidates, left_out) = priced.list(problem, job);
    Decision { delivery: delivery.id, outcome, candidates, left_out }
}

/// The hold of a delivery whose planned rider gets no offer yet; `None` when the offer is to be made now.
fn hold(problem: &Problem, routes: &[PlannedRoute], job: u32, worker: usize, offers: &Offers) -> Option<Outcome> {
    let (known, w) = (&problem.jobs[job as usize], &problem.workers[worker]);
    let policy = problem.policy;
    let until = |until_ms: i64, reason| Some(Outcome::Hold { until_ms, reason });
    let search_from_ms = known.ready_ms.saturating_sub(policy.search_lead_ms.max(0));
    if problem.now_ms < search_from_ms {
        return until(search_from_ms, HoldReason::TooEarly);
    }
    let after_now = |ms: i64| ms.max(problem.now_ms + 1);
    let trips: &[PlannedTrip] = routes.binary_search_by_key(&w.rider.id, |r| r.rider).map_or(&[], |n| &routes[n].trips);
    let Some(n) = trips.iter().position(|t| t.trip.deliveries.contains(&known.delivery.id)) else {
        return until(after_now(known.ready_ms), HoldReason::Planned);
    };
    // An addition to an accepted trip is offered at once, because the rider may be at the counter soon.
    if n >= w.fixed_trips {
        let offer_at_ms = trips[n].leave_at_ms.saturating_sub(policy.horizon.offer_lead_ms.max(0));
        if offer_at_ms > problem.now_ms {
            return until(offer_at_ms, HoldReason::Planned);
        }
        // The earlier trips of the route have to be accepted first.
        if n > w.fixed_trips {
            return until(after_now(trips[n].leave_at_ms), HoldReason::Planned);
        }
    }
    if !has_room(problem, worker, offers) {
        return until(after_now(w.rider.free_at_ms), HoldReason::RiderFull);
    }
    None
}

fn has_room(problem: &Problem, worker: usize, offers: &Offers) -> bool {
    let rider = problem.workers[worker].rider;
    rider.load + offers.get(&worker).copied().unwrap_or(0) < rider.capacity
}

/// The candidates of one delivery with their costs, the cheapest first.
struct PricedCandidates {
    priced: Vec<Priced>,
    /// The workers whose shift ends too early for this delivery.
    after_shift: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Priced {
    cost_ms: i64,
    worker: u32,
    terms: Terms,
}

impl PricedCandidates {
    fn of(problem: &Problem, search: &Search, job: u32) -> Self {
        let mut this = Self { priced: Vec::new(), after_shift: Vec::new() };
        let known = &problem.jobs[job as usize];
        let planned = search.worker_of[job as usize];
        let needs_all = problem.policy.candidates_listed > 0 || known.delivery.offers_wanted > 1;
        let mut changed = Tour::default();
        for (candidate, worker) in known.candidates.iter().enumerate() {
            if !needs_all && Some(*worker) != planned {
                continue;
            }
            let tour = &search.tours[*worker as usize];
            let terms = if Some(*worker) == planned {
                let mut without = tour.clone();
                without.remove(job);
                without.evaluate(problem, *worker as usize, 0);
                terms(problem, *worker as usize, &without, tour, job)
            } else if let Some(insertion) = search.insertion(job, candidate) {
                changed.trips.clone_from(&tour.trips);
                changed.insert(known.shop, job, insertion);
                changed.open = tour.open + 1;
                let terms = terms(problem, *worker as usize, tour, &changed, job);
                debug_assert_eq!(terms.total(), insertion.delta_ms, "the terms are not what the search minimises");
                terms
            } else {
                this.after_shift.push(*worker);
                continue;
            };
            this.priced.push(Priced { cost_ms: terms.total(), worker: *worker, terms });
        }
        this.priced.sort_unstable_by_key(|p| (p.cost_ms, p.worker));
        this
    }

    /// The riders who get an offer: the planned one, and the cheapest others with room if more offers are wanted.
    fn choose(&self, problem: &Problem, job: u32, planned: u32, offers: &mut Offers) -> Vec<Chosen> {
        let wanted = problem.jobs[job as usize].delivery.offers_wanted as usize;
        let first = self.priced.iter().filter(|p| p.worker == planned);
        let others = self.priced.iter().filter(|p| p.worker != planned);
        let others = others.filter(|p| has_room(problem, p.worker as usize, offers));
        let chosen: Vec<Priced> = first.chain(others).take(wanted).copied().collect();
        let offer = |Priced { cost_ms, worker, terms }: Priced| {
            *offers.entry(worker as usize).or_default() += 1;
            Chosen { rider: problem.workers[worker as usize].rider.id, cost: cost_ms, terms }
        };
        chosen.into_iter().map(offer).collect()
    }

    /// The candidates to show, at most `candidates_listed` of the policy, and the number of riders left out.
    fn list(self, problem: &Problem, job: u32) -> (Vec<Candidate>, u32) {
        let most = problem.policy.candidates_listed as usize;
        let all = problem.workers.len();
        if most == 0 {
            return (Vec::new(), all as u32);
        }
        let rider = |worker: u32| problem.workers[worker as usize].rider;
        let priced = self.priced.iter().map(|p| Candidate {
            rider: rider(p.worker).id,
            gate: None,
            cost: Some(p.cost_ms),
            terms: Some(p.terms),
        });
        let closed =
            |worker: u32, gate| Candidate { rider: rider(worker).id, gate: Some(gate), cost: None, terms: None };
        let known = &problem.jobs[job as usize];
        let gate = |worker: u32| standing_gate(known.delivery, rider(worker), problem.policy);
        // Riders are numbered in the order of their ids, so those behind a gate are sorted by id.
        let gated = (0..all as u32).filter_map(|worker| match known.candidates.binary_search(&worker) {
            Err(_) => Some(closed(worker, gate(worker).unwrap_or(Gate::OutOfReach))),
            Ok(_) => self.after_shift.contains(&worker).then(|| closed(worker, Gate::ShiftOver)),
        });
        let listed: Vec<Candidate> = priced.chain(gated).take(most).collect();
        let left_out = all.saturating_sub(listed.len());
        (listed, left_out as u32)
    }
}
