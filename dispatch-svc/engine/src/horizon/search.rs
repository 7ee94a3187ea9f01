//! The search: destroy and repair (large neighbourhood search, Shaw 1998) on the tentative routes of all riders.
//!
//! Each step takes a few related deliveries out of their routes, puts them back by regret insertion, and keeps the result
//! if it is no worse. The prices of insertions are remembered per route version, so a step prices only what it changed.
//! Nothing is ever accepted that is worse, so more steps never make a plan worse.

use rand_core::Rng as _;
use rand_pcg::Pcg32;
use rand_pcg::rand_core;

use super::insertion::{NEW, Spot, Tour};
use super::problem::{Leg, Problem};
use super::route::NEVER;

/// What a delivery costs that is in nobody's route, milliseconds: more than any delay.
const UNSERVED_MS: i64 = 24 * 3_600_000;
/// How many of a delivery's relatives are known.
const RELATIVES: usize = 12;
/// Two deliveries that are ready a minute of the city apart are as related as two that lie so far apart, metres.
const METRES_PER_MINUTE: i64 = 300;

/// Remembered: the best place of one delivery in one rider's route of this version.
#[derive(Clone, Copy)]
struct Price {
    version: u32,
    spot: Option<Spot>,
}

/// The best two riders for a delivery.
#[derive(Clone, Copy)]
struct Choice {
    job: u32,
    best: Option<(i64, u32)>,
    second: Option<(i64, u32)>,
}

/// Tentative routes that get better.
pub(super) struct Search<'p, 'a> {
    problem: &'p Problem<'a>,
    pub tours: Vec<Tour>,
    /// In nobody's route.
    pub unserved: Vec<u32>,
    /// Where each delivery is: its rider's number.
    pub carrier: Vec<u32>,
    /// Deliveries that may be moved.
    open: Vec<u32>,
    /// The newest two, because most steps are taken back.
    prices: Vec<Vec<[Price; 2]>>,
    relatives: Vec<Option<Vec<u32>>>,
    versions: u32,
    undo: Vec<(usize, Tour)>,
    undone: usize,
    rng: Pcg32,
}

/// No rider.
pub(super) const NOBODY: u32 = u32::MAX;

impl<'p, 'a> Search<'p, 'a> {
    pub fn new(problem: &'p Problem<'a>, seed: u64) -> Self {
        let open = (0..problem.jobs.len() as u32).filter(|j| !problem.jobs[*j as usize].is_fixed).collect();
        let never_priced = Price { version: 0, spot: None };
        let mut this = Self {
            problem,
            tours: problem.fixed.iter().map(|legs| Tour { legs: legs.clone(), ..Tour::default() }).collect(),
            unserved: Vec::new(),
            carrier: vec![NOBODY; problem.jobs.len()],
            open,
            prices: problem.jobs.iter().map(|j| vec![[never_priced; 2]; j.candidates.len()]).collect(),
            relatives: vec![None; problem.jobs.len()],
            versions: 0,
            undo: Vec::new(),
            undone: 0,
            rng: Pcg32::new(seed, problem.now_ms as u64),
        };
        for worker in 0..this.tours.len() {
            for leg in &problem.fixed[worker] {
                leg.jobs().iter().for_each(|j| this.carrier[*j as usize] = worker as u32);
            }
            this.price(worker);
        }
        this
    }

    fn price(&mut self, worker: usize) {
        self.versions += 1;
        self.tours[worker].price(self.problem, worker, self.versions);
    }

    /// The objective: every route, and what is in none.
    pub fn objective_ms(&self) -> i64 {
        self.tours.iter().map(|t| t.cost_ms).sum::<i64>() + UNSERVED_MS * self.unserved.len() as i64
    }

    /// Takes over what still holds of an earlier plan.
    pub fn warm_start(&mut self, previous: &[crate::Route]) {
        let mut routes: Vec<&crate::Route> = previous.iter().collect();
        // The order of the list does not matter, also when two of them claim the same rider.
        routes.sort_by(|a, b| a.rider.cmp(&b.rider).then_with(|| format!("{a:?}").cmp(&format!("{b:?}"))));
        for route in routes {
            let Ok(worker) = self.problem.workers.binary_search_by_key(&route.rider, |w| w.rider.id) else { continue };
            let before = self.tours[worker].clone();
            let mut taken = Vec::new();
            for trip in &route.trips {
                let jobs: Vec<u32> = trip.deliveries.iter().filter_map(|id| self.problem.number_of(*id)).collect();
                let is_fixed = |j: &u32| self.problem.jobs[*j as usize].is_fixed;
                let legs = &mut self.tours[worker].legs;
                // Added to what the rider has accepted, or a trip of its own.
                let mut at = legs.iter().position(|l| jobs.iter().any(|j| is_fixed(j) && l.jobs().contains(j)));
                for job in jobs.iter().copied().filter(|j| !is_fixed(j)) {
                    let known = &self.problem.jobs[job as usize];
                    if self.carrier[job as usize] != NOBODY || known.candidates.binary_search(&(worker as u32)).is_err()
                    {
                        continue;
                    }
                    match at {
                        Some(n) if legs[n].shop == known.shop && legs[n].len() < self.problem.most(worker) => {
                            let end = legs[n].len();
                            legs[n].insert(end, job);
                        }
                        Some(_) => continue,
                        None => {
                            legs.push(Leg::new(known.shop, job));
                            at = Some(legs.len() - 1);
                        }
                    }
                    self.carrier[job as usize] = worker as u32;
                    taken.push(job);
                }
            }
            self.price(worker);
            if self.tours[worker].cost_ms >= NEVER / 2 {
                taken.iter().for_each(|j| self.carrier[*j as usize] = NOBODY);
                self.tours[worker] = before;
            }
        }
    }

    /// Puts everything that has no rider where it is cheapest.
    pub fn fill(&mut self) {
        let mut missing: Vec<u32> = self.open.iter().copied().filter(|j| self.carrier[*j as usize] == NOBODY).collect();
        self.unserved.clear();
        self.insert_all(&mut missing);
        self.undone = 0;
    }

    /// The best place of a delivery in the route of one of its candidates, as it is now.
    pub fn seen_spot(&self, job: u32, candidate: usize) -> Option<Spot> {
        let worker = self.problem.jobs[job as usize].candidates[candidate] as usize;
        let tour = &self.tours[worker];
        let price = self.prices[job as usize][candidate].iter().find(|p| p.version == tour.version);
        price.map_or_else(|| self.problem.best_spot(worker, tour, job), |p| p.spot)
    }

    fn spot(&mut self, job: u32, candidate: usize) -> Option<Spot> {
        let worker = self.problem.jobs[job as usize].candidates[candidate] as usize;
        let tour = &self.tours[worker];
        let price = &mut self.prices[job as usize][candidate];
        if price[0].version != tour.version {
            if price[1].version != tour.version {
                price[1] = Price { version: tour.version, spot: self.problem.best_spot(worker, tour, job) };
            }
            price.swap(0, 1);
        }
        price[0].spot
    }

    fn choice(&mut self, job: u32) -> Choice {
        let (mut best, mut second) = (None, None);
        for candidate in 0..self.problem.jobs[job as usize].candidates.len() {
            let Some(spot) = self.spot(job, candidate) else { continue };
            let seen = Some((spot.delta_ms, candidate as u32));
            if best.is_none() || seen < best {
                (best, second) = (seen, best);
            } else if second.is_none() || seen < second {
                second = seen;
            }
        }
        Choice { job, best, second }
    }

    /// Regret insertion of all of these; what fits nowhere is unserved.
    fn insert_all(&mut self, jobs: &mut Vec<u32>) {
        let mut choices: Vec<Choice> = jobs.drain(..).map(|j| self.choice(j)).collect();
        while !choices.is_empty() {
            let regret = |c: &Choice| match (c.best, c.second) {
                (Some(best), Some(second)) => (second.0 - best.0, -best.0),
                // Whoever fits in only one route goes first.
                (Some(best), None) => (NEVER, -best.0),
                (None, _) => (-1, 0),
            };
            // The first of the best: numbers go by id, so ties do.
            let next = (1..choices.len()).fold(0, |n, m| if regret(&choices[m]) > regret(&choices[n]) { m } else { n });
            let chosen = choices.remove(next);
            let Some((_, candidate)) = chosen.best else {
                self.unserved.push(chosen.job);
                continue;
            };
            let worker = self.problem.jobs[chosen.job as usize].candidates[candidate as usize];
            let Some(spot) = self.spot(chosen.job, candidate as usize) else { continue };
            self.put(chosen.job, worker as usize, spot);
            for choice in &mut choices {
                if self.problem.jobs[choice.job as usize].candidates.binary_search(&worker).is_ok() {
                    *choice = self.choice(choice.job);
                }
            }
        }
    }

    fn remember(&mut self, worker: usize) {
        if self.undo[..self.undone].iter().any(|(w, _)| *w == worker) {
            return;
        }
        if self.undone == self.undo.len() {
            self.undo.push((worker, Tour::default()));
        }
        let (w, tour) = &mut self.undo[self.undone];
        *w = worker;
        tour.copy(&self.tours[worker]);
        self.undone += 1;
    }

    fn put(&mut self, job: u32, worker: usize, spot: Spot) {
        self.remember(worker);
        let legs = &mut self.tours[worker].legs;
        if spot.at == NEW {
            legs.insert(usize::from(spot.leg), Leg::new(self.problem.jobs[job as usize].shop, job));
        } else {
            legs[usize::from(spot.leg)].insert(usize::from(spot.at), job);
        }
        self.carrier[job as usize] = worker as u32;
        self.price(worker);
    }

    fn take(&mut self, job: u32) {
        let worker = self.carrier[job as usize] as usize;
        self.remember(worker);
        let legs = &mut self.tours[worker].legs;
        let found = legs.iter().enumerate().find_map(|(n, l)| Some((n, l.jobs().iter().position(|j| *j == job)?)));
        let Some((leg, at)) = found else { return };
        if legs[leg].len() == 1 {
            legs.remove(leg);
        } else {
            legs[leg].remove(at);
        }
        self.carrier[job as usize] = NOBODY;
    }

    /// Runs so many steps. Returns how many made the plan better.
    pub fn improve(&mut self, steps: u32) -> u32 {
        if self.open.len() < 2 && self.unserved.is_empty() {
            return 0;
        }
        let mut better = 0;
        let mut removed = Vec::new();
        let mut unserved = Vec::new();
        let mut changed = Vec::new();
        for _ in 0..steps {
            self.undone = 0;
            removed.clear();
            self.choose(&mut removed);
            unserved.clone_from(&self.unserved);
            changed.clear();
            for job in &removed {
                if self.carrier[*job as usize] != NOBODY {
                    changed.push((*job, self.carrier[*job as usize]));
                    self.take(*job);
                }
            }
            let lost_ms = UNSERVED_MS * self.unserved.len() as i64;
            self.unserved.retain(|j| !removed.contains(j));
            // Taking away only ever makes routes possible; price each once.
            for n in 0..self.undone {
                let worker = self.undo[n].0;
                self.price(worker);
            }
            removed.sort_unstable();
            self.insert_all(&mut removed);
            let before_ms = self.undo[..self.undone].iter().map(|(_, t)| t.cost_ms).sum::<i64>() + lost_ms;
            let after_ms = self.undo[..self.undone].iter().map(|(w, _)| self.tours[*w].cost_ms).sum::<i64>()
                + UNSERVED_MS * self.unserved.len() as i64;
            if after_ms > before_ms {
                for n in 0..self.undone {
                    let (worker, tour) = &mut self.undo[n];
                    std::mem::swap(&mut self.tours[*worker], tour);
                }
                self.unserved.clone_from(&unserved);
                for job in &self.unserved {
                    self.carrier[*job as usize] = NOBODY;
                }
                for (job, carrier) in &changed {
                    self.carrier[*job as usize] = *carrier;
                }
            } else if after_ms < before_ms {
                better += 1;
            }
        }
        self.undone = 0;
        better
    }

    fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.rng.next_u32()) * n as u64) >> 32) as usize
    }

    /// Which deliveries to take out: all that nobody has, and a few that have to do with each other.
    fn choose(&mut self, into: &mut Vec<u32>) {
        into.extend_from_slice(&self.unserved[..self.unserved.len().min(3)]);
        let most = self.open.len().min(6);
        let wanted = 1 + self.below(most);
        let seed = self.below(self.open.len());
        let seed = self.open[seed];
        let how = self.below(100);
        if !into.contains(&seed) {
            into.push(seed);
        }
        if how < 25 {
            // A rider's whole route, and that of the seed's nearest relative's rider.
            let relative = self.relative(seed, 0);
            for job in [Some(seed), relative].into_iter().flatten() {
                let carrier = self.carrier[job as usize];
                if carrier == NOBODY {
                    continue;
                }
                for leg in &self.tours[carrier as usize].legs {
                    for j in leg.jobs() {
                        if !self.problem.jobs[*j as usize].is_fixed && !into.contains(j) && into.len() < 8 {
                            into.push(*j);
                        }
                    }
                }
            }
        } else if how < 85 {
            while into.len() < wanted {
                // Nearer relatives more often.
                let (a, b) = (self.below(RELATIVES), self.below(RELATIVES));
                let Some(job) = self.relative(seed, a.min(b)) else { break };
                if into.contains(&job) {
                    if self.below(4) == 0 {
                        break;
                    }
                    continue;
                }
                into.push(job);
            }
        } else {
            for _ in 1..wanted {
                let job = self.below(self.open.len());
                let job = self.open[job];
                if !into.contains(&job) {
                    into.push(job);
                }
            }
        }
    }

    /// The `n`-th nearest open delivery, by counter, door and ready time.
    fn relative(&mut self, job: u32, n: usize) -> Option<u32> {
        let (problem, open) = (self.problem, &self.open);
        let known = self.relatives[job as usize].get_or_insert_with(|| {
            let me = &problem.jobs[job as usize];
            let minute_ms = problem.policy.minute_ms.max(1);
            let mut near: Vec<(i64, u32)> = open
                .iter()
                .filter(|j| **j != job)
                .map(|j| {
                    let other = &problem.jobs[*j as usize];
                    let metres = me.pickup.metres_to(other.pickup) + me.dropoff.metres_to(other.dropoff) / 2.0;
                    let apart_ms = (me.ready_ms - other.ready_ms).abs();
                    (metres as i64 + apart_ms * METRES_PER_MINUTE / minute_ms, *j)
                })
                .collect();
            if near.len() > RELATIVES {
                near.select_nth_unstable(RELATIVES - 1);
                near.truncate(RELATIVES);
            }
            near.sort_unstable();
            near.into_iter().map(|(_, j)| j).collect()
        });
        if known.is_empty() { None } else { known.get(n % known.len()).copied() }
    }
}
