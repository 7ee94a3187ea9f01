//! The algorithm `greedy`: a load-aware priority queue.
//!
//! The queue holds pairs of delivery and rider, the cheapest on top. The rider of a popped pair gets the offer, unless the
//! plan has given that rider something since the pair was priced: then the pair is priced again and put back. Each
//! delivery keeps its pairs in a heap of its own, and only the cheapest of them is in the common queue. Building the heaps
//! is linear in the number of pairs, and pairs that are never popped are never sorted.
//!
//! Known limit: a pair can become *cheaper* when its rider gets busier, because the rider then passes the counter later,
//! when the food is ready. That is noticed only when the old price reaches the top.

mod pricing;
mod workload;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use pannier_contracts::DeliveryId;

use self::pricing::{Assessment, assess};
use self::workload::{Job, Workload};
use crate::gates::Gate;
use crate::plan::{
    Candidate, Chosen, Decision, HoldReason, NobodyReason, Outcome, Plan, PlanReport, PlannedRoute, PlannedTrip,
};
use crate::policy::Policy;
use crate::snapshot::{Snapshot, Trip};

/// Decides about every delivery of the snapshot that no rider has accepted.
///
/// A route of the plan is the sequence in which a rider gets the deliveries of this plan; accepted trips come before it.
pub(crate) fn plan(snapshot: &Snapshot, policy: &Policy) -> Plan {
    let committed = committed(snapshot);
    let wanted = snapshot.deliveries_by_id().into_iter().filter(|d| !committed.contains(&d.id));
    let jobs: Vec<Job> = wanted.map(Job::new).collect();
    let mut draft = Draft::new(snapshot, policy);

    let mut searches: Vec<Search> = jobs.into_iter().map(|job| draft.open(job)).collect();
    let mut queue: BinaryHeap<Reverse<Head>> = searches.iter().enumerate().filter_map(|(n, s)| s.head(n)).collect();
    while let Some(Reverse(head)) = queue.pop() {
        let search = &mut searches[head.delivery];
        draft.process_cheapest(search);
        if search.decision.is_none() {
            queue.extend(search.head(head.delivery));
        }
    }
    let decisions = searches.into_iter().filter_map(|s| draft.close(s)).collect();
    Plan { decisions, routes: draft.routes(), moves: Vec::new(), report: PlanReport::greedy(policy.seed) }
}

/// The riders as candidates for one delivery, before a plan gives them anything.
pub(crate) fn candidates(snapshot: &Snapshot, policy: &Policy, delivery: DeliveryId) -> Vec<Candidate> {
    let is_committed = committed(snapshot).contains(&delivery);
    let asked = snapshot.deliveries_by_id().into_iter().find(|d| d.id == delivery && !is_committed);
    let draft = Draft::new(snapshot, policy);
    asked.map_or_else(Vec::new, |asked| draft.candidates(&draft.open(Job::new(asked))).0)
}

/// The deliveries that riders have accepted.
fn committed(snapshot: &Snapshot) -> BTreeSet<DeliveryId> {
    snapshot.riders.iter().flat_map(|r| &r.committed).flat_map(|t| &t.deliveries).copied().collect()
}

/// The cheapest pair of one delivery. Riders and deliveries are numbered in the order of their ids, so ties go by id.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    cost: i64,
    delivery: usize,
    rider: usize,
}

/// One rider for one delivery, as priced when the plan had given the rider `assigned` deliveries.
/// Of two pairs at the same cost, one that fits now comes before one that fits later.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    cost: i64,
    fits_at_ms: Option<i64>,
    rider: usize,
    assigned: u32,
}

/// A rider's position in the list of candidates: riders without a gate first, then by cost, then by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_gated: bool,
    cost: i64,
    rider: usize,
}

/// One delivery until it is decided.
struct Search<'a> {
    job: Job<'a>,
    /// Every rider's rank before this plan assigned anything.
    first_ranks: Vec<Rank>,
    pairs: BinaryHeap<Reverse<Pair>>,
    /// The riders who get an offer, with their numbers.
    chosen: Vec<(usize, Chosen)>,
    decision: Option<Decision>,
}

impl Search<'_> {
    fn head(&self, delivery: usize) -> Option<Reverse<Head>> {
        self.pairs.peek().map(|Reverse(p)| Reverse(Head { cost: p.cost, delivery, rider: p.rider }))
    }

    fn offer(&self) -> Outcome {
        Outcome::Offer { riders: self.chosen.iter().map(|(_, chosen)| chosen.clone()).collect() }
    }
}

/// The plan in the making.
struct Draft<'a> {
    now_ms: i64,
    policy: &'a Policy,
    riders: Vec<Workload<'a>>,
    /// The trips that this plan gives each rider, in sequence.
    trips: Vec<Vec<PlannedTrip>>,
}

impl<'a> Draft<'a> {
    /// A plan that gives nobody anything yet.
    fn new(snapshot: &'a Snapshot, policy: &'a Policy) -> Self {
        let riders: Vec<Workload> = snapshot.riders_by_id().into_iter().map(|r| Workload::new(r, snapshot)).collect();
        Self { now_ms: snapshot.now_ms, policy, trips: vec![Vec::new(); riders.len()], riders }
    }

    /// Begins the search of a delivery: decides what needs no rider, and prices every rider otherwise.
    fn open(&self, job: Job<'a>) -> Search<'a> {
        let delivery = job.delivery;
        // Never after the ready time, also under a policy with a negative lead.
        let search_from_ms = job.ready_at_ms.saturating_sub(self.policy.search_lead_ms.max(0));
        let outcome = if delivery.offers_wanted == 0 {
            Some(Outcome::Nobody { reason: NobodyReason::NoneWanted })
        } else if self.now_ms >= job.ready_at_ms.saturating_add(self.policy.give_up_ms.max(0)) {
            Some(Outcome::Nobody { reason: NobodyReason::GivenUp })
        } else if self.now_ms < search_from_ms {
            Some(Outcome::Hold { until_ms: search_from_ms, reason: HoldReason::TooEarly })
        } else {
            None
        };
        let decision =
            outcome.map(|outcome| Decision { delivery: delivery.id, outcome, candidates: Vec::new(), left_out: 0 });
        let (mut pairs, mut first_ranks) = (Vec::new(), Vec::new());
        if decision.is_none() {
            first_ranks.reserve_exact(self.riders.len());
            for rider in 0..self.riders.len() {
                let pair = self.pair(&job, rider);
                first_ranks.push(match &pair {
                    Some(pair) => Rank { is_gated: pair.fits_at_ms.is_some(), cost: pair.cost, rider },
                    None => Rank { is_gated: true, cost: i64::MAX, rider },
                });
                pairs.extend(pair.map(Reverse));
            }
        }
        Search { job, first_ranks, pairs: pairs.into(), chosen: Vec::new(), decision }
    }

    fn routes(self) -> Vec<PlannedRoute> {
        let routes = self.riders.iter().zip(self.trips).filter(|(_, trips)| !trips.is_empty());
        routes.map(|(rider, trips)| PlannedRoute { rider: rider.rider.id, trips }).collect()
    }

    fn assess(&self, job: &Job, rider: usize) -> Assessment {
        assess(job, &self.riders[rider], self.now_ms, self.policy)
    }

    fn pair(&self, job: &Job, rider: usize) -> Option<Pair> {
        let (cost, fits_at_ms) = match self.assess(job, rider) {
            Assessment::Fits(terms) => (terms.total(), None),
            Assessment::FitsLater { terms, at_ms } => (terms.total(), Some(at_ms)),
            Assessment::Closed(_) => return None,
        };
        Some(Pair { cost, fits_at_ms, rider, assigned: self.riders[rider].assigned })
    }

    /// Takes the cheapest pair of a delivery and prices it again, offers it, or holds the delivery.
    fn process_cheapest(&mut self, search: &mut Search) {
        let Some(Reverse(pair)) = search.pairs.pop() else { return };
        if pair.assigned != self.riders[pair.rider].assigned {
            search.pairs.extend(self.pair(&search.job, pair.rider).map(Reverse));
            return;
        }
        match self.assess(&search.job, pair.rider) {
            Assessment::Fits(terms) => {
                let rider = self.riders[pair.rider].rider.id;
                search.chosen.push((pair.rider, Chosen { rider, cost: terms.total(), terms }));
                let is_enough = search.chosen.len() >= search.job.delivery.offers_wanted as usize;
                if is_enough {
                    let offer = search.offer();
                    self.decide(search, offer);
                }
                self.trips[pair.rider].push(planned_trip(&self.riders[pair.rider], &search.job));
                self.riders[pair.rider].assign(&search.job);
            }
            Assessment::FitsLater { at_ms, .. } => {
                // Riders who were chosen already get their offers. The plan of the moment `at_ms` may make more.
                let outcome = if search.chosen.is_empty() { self.hold(search, at_ms) } else { search.offer() };
                self.decide(search, outcome);
            }
            Assessment::Closed(_) => {}
        }
    }

    /// A hold because the cheapest rider fits only at `cheapest_at_ms`. If another rider fits already, the delivery waits
    /// for the cheapest; if none does, it waits until the first of them fits.
    fn hold(&self, search: &Search, cheapest_at_ms: i64) -> Outcome {
        let mut first_ms = cheapest_at_ms;
        for Reverse(pair) in &search.pairs {
            match self.assess(&search.job, pair.rider) {
                Assessment::Fits(_) => {
                    return Outcome::Hold { until_ms: cheapest_at_ms, reason: HoldReason::CheaperLater };
                }
                Assessment::FitsLater { at_ms, .. } => first_ms = first_ms.min(at_ms),
                Assessment::Closed(_) => {}
            }
        }
        Outcome::Hold { until_ms: first_ms, reason: HoldReason::WouldWait }
    }

    fn decide(&self, search: &mut Search, outcome: Outcome) {
        let (candidates, left_out) = self.candidates(search);
        search.decision = Some(Decision { delivery: search.job.delivery.id, outcome, candidates, left_out });
    }

    /// The decision of a delivery after its last pair.
    fn close(&self, mut search: Search) -> Option<Decision> {
        if search.decision.is_none() {
            let outcome = if !search.chosen.is_empty() {
                search.offer()
            } else if self.riders.is_empty() {
                Outcome::Nobody { reason: NobodyReason::NoRiders }
            } else {
                Outcome::Nobody { reason: NobodyReason::NobodyFits }
            };
            self.decide(&mut search, outcome);
        }
        search.decision
    }

    /// The riders as the plan stands, the best first, and how many more there are than the policy lists.
    fn candidates(&self, search: &Search) -> (Vec<Candidate>, u32) {
        let mut ranks = search.first_ranks.clone();
        for (rank, _) in ranks.iter_mut().zip(&self.riders).filter(|(_, r)| r.assigned > 0) {
            let candidate = self.candidate(search, rank.rider);
            (rank.is_gated, rank.cost) = (candidate.gate.is_some(), candidate.cost.unwrap_or(i64::MAX));
        }
        let listed = self.policy.candidates_listed as usize;
        let left_out = ranks.len().saturating_sub(listed);
        if left_out > 0 {
            ranks.select_nth_unstable(listed);
            ranks.truncate(listed);
        }
        ranks.sort_unstable();
        let listed = ranks.into_iter().map(|rank| self.candidate(search, rank.rider)).collect();
        (listed, u32::try_from(left_out).unwrap_or(u32::MAX))
    }

    /// One rider as a candidate: a chosen rider as priced when chosen, any other as the plan stands.
    fn candidate(&self, search: &Search, rider: usize) -> Candidate {
        let (gate, terms) = match search.chosen.iter().find(|(number, _)| *number == rider) {
            Some((_, chosen)) => (None, Some(chosen.terms)),
            None => match self.assess(&search.job, rider) {
                Assessment::Fits(terms) => (None, Some(terms)),
                Assessment::FitsLater { terms, .. } => (Some(Gate::WouldWaitTooLong), Some(terms)),
                Assessment::Closed(gate) => (Some(gate), None),
            },
        };
        Candidate { rider: self.riders[rider].rider.id, gate, cost: terms.map(|t| t.total()), terms }
    }
}

/// A job as a trip of its own, after everything else that the rider has.
fn planned_trip(rider: &Workload, job: &Job) -> PlannedTrip {
    let times = rider.times(job);
    PlannedTrip {
        trip: Trip { shop: job.delivery.shop, deliveries: vec![job.delivery.id] },
        leave_at_ms: rider.free_at_ms,
        pickup_at_ms: times.arrival_ms.max(job.ready_at_ms),
        dropoffs_at_ms: vec![times.at_door_ms(job)],
    }
}
