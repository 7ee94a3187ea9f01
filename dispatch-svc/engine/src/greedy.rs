//! The policy `greedy`: the load-aware priority queue.
//!
//! The queue holds pairs of delivery and rider, the cheapest on top. A popped pair whose rider got busier since it was
//! priced is priced again and put back; otherwise the rider is asked. Each delivery keeps its own pairs in a heap of its
//! own, and only the cheapest of them stands in the common one: building is linear in the pairs, and pairs that nobody
//! asks for are never sorted.
//!
//! Its known limit: a pair that became *cheaper* because its rider got busier (they now pass by later, when the food is
//! ready) is noticed only when its old price comes up.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use pannier_contracts::DeliveryId;

use crate::cost::{Assessment, assess};
use crate::workload::{Job, Workload};
use crate::{
    Candidate, Chosen, Decision, Gate, HoldReason, NobodyReason, Outcome, PlannedRoute, PlannedTrip, Policy, Snapshot,
};

/// Decides about every delivery of the snapshot, one rider at a time.
///
/// The routes say in which sequence each rider is meant to do what they are asked; what they have accepted comes before.
pub(crate) fn plan(snapshot: &Snapshot, policy: &Policy) -> (Vec<Decision>, Vec<PlannedRoute>) {
    let now_ms = snapshot.now_ms;
    let riders: Vec<Workload> = snapshot.riders_by_id().into_iter().map(|r| Workload::new(r, snapshot)).collect();
    let committed: BTreeSet<DeliveryId> =
        snapshot.riders.iter().flat_map(|r| &r.committed).flat_map(|t| &t.deliveries).copied().collect();
    let wanted = snapshot.deliveries_by_id().into_iter().filter(|d| !committed.contains(&d.id));
    let jobs: Vec<Job> = wanted.map(Job::new).collect();
    let mut making = Making { now_ms, policy, trips: vec![Vec::new(); riders.len()], riders };

    let mut searches: Vec<Search> = jobs.into_iter().map(|job| making.open(job)).collect();
    let mut queue: BinaryHeap<Reverse<Top>> = searches.iter().enumerate().filter_map(|(n, s)| s.top(n)).collect();
    while let Some(Reverse(top)) = queue.pop() {
        let search = &mut searches[top.delivery];
        making.advance(search);
        if search.decision.is_none() {
            queue.extend(search.top(top.delivery));
        }
    }
    let decisions = searches.into_iter().filter_map(|s| making.close(s)).collect();
    (decisions, making.routes())
}

/// The cheapest pair of one delivery. Riders and deliveries are numbered in the order of their ids, so ties go by id.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Top {
    cost: i64,
    delivery: usize,
    rider: usize,
}

/// One rider for one delivery, as priced when the rider had `changes` changes.
/// At the same cost, somebody who fits now comes before somebody who fits later.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    cost: i64,
    fits_at_ms: Option<i64>,
    rider: usize,
    changes: u32,
}

/// A rider's place in the list of candidates: behind a gate or not, cost, number.
type Rank = (bool, i64, usize);

/// One delivery until it is decided.
struct Search<'a> {
    job: Job<'a>,
    /// Where each rider stood in the list of candidates before this plan gave anybody anything.
    first_ranks: Vec<Rank>,
    pairs: BinaryHeap<Reverse<Pair>>,
    chosen: Vec<(usize, Chosen)>,
    decision: Option<Decision>,
}

impl Search<'_> {
    fn top(&self, delivery: usize) -> Option<Reverse<Top>> {
        self.pairs.peek().map(|Reverse(p)| Reverse(Top { cost: p.cost, delivery, rider: p.rider }))
    }

    fn offer(&self) -> Outcome {
        Outcome::Offer { riders: self.chosen.iter().map(|(_, chosen)| chosen.clone()).collect() }
    }
}

/// A plan in the making.
struct Making<'a> {
    now_ms: i64,
    policy: &'a Policy,
    riders: Vec<Workload<'a>>,
    /// What this plan gives each of them, in sequence.
    trips: Vec<Vec<PlannedTrip>>,
}

impl<'a> Making<'a> {
    /// Decides what needs no rider; prices everybody for the rest.
    fn open(&self, job: Job<'a>) -> Search<'a> {
        let delivery = job.delivery;
        // Never past ready_at, also under a policy whose lead is negative.
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
                    Some(pair) => (pair.fits_at_ms.is_some(), pair.cost, rider),
                    None => (true, i64::MAX, rider),
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
        Some(Pair { cost, fits_at_ms, rider, changes: self.riders[rider].changes })
    }

    /// One step of one delivery with its cheapest rider: price again, ask, or hold.
    fn advance(&mut self, search: &mut Search) {
        let Some(Reverse(pair)) = search.pairs.pop() else { return };
        if pair.changes != self.riders[pair.rider].changes {
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
                self.trips[pair.rider].push(self.riders[pair.rider].planned(&search.job));
                self.riders[pair.rider].take(&search.job);
            }
            Assessment::FitsLater { at_ms, .. } => {
                // Those already chosen are asked; further offers may follow when the cheaper rider fits.
                let outcome = if search.chosen.is_empty() { self.hold(search, at_ms) } else { search.offer() };
                self.decide(search, outcome);
            }
            Assessment::Closed(_) => {}
        }
    }

    /// The cheapest rider fits only at `cheapest_at_ms`. If somebody fits already, they are passed over for that one;
    /// if nobody does, the first moment at which anybody fits is worth a look.
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

    /// Nothing more to do for this delivery in this plan: what was decided, or what the riders it found amount to.
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

    /// Everybody as they stand now, the best first, and how many of them are too many to list.
    fn candidates(&self, search: &Search) -> (Vec<Candidate>, u32) {
        let mut order = search.first_ranks.clone();
        for (rank, _) in order.iter_mut().zip(&self.riders).filter(|(_, r)| r.changes > 0) {
            let row = self.row(search, rank.2);
            *rank = (row.gate.is_some(), row.cost.unwrap_or(i64::MAX), rank.2);
        }
        let listed = self.policy.candidates_listed as usize;
        let left_out = order.len().saturating_sub(listed);
        if left_out > 0 {
            order.select_nth_unstable(listed);
            order.truncate(listed);
        }
        order.sort_unstable();
        let listed = order.into_iter().map(|(_, _, rider)| self.row(search, rider)).collect();
        (listed, u32::try_from(left_out).unwrap_or(u32::MAX))
    }

    /// One rider's line: those who were chosen as they were then, the others as they stand now.
    fn row(&self, search: &Search, rider: usize) -> Candidate {
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
