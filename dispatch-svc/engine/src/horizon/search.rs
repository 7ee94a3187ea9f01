//! The search: regret insertion, then destroy and repair (large neighbourhood search, Shaw 1998), on the tentative routes
//! of all riders.
//!
//! Each step takes a few related deliveries out of their routes, puts them back by regret insertion, and keeps the result
//! if it costs no more. A result that costs more is undone, so more steps never make a plan worse.

use super::insertion::{Insertion, Tour};
use super::insertion_cache::InsertionCache;
use super::job;
use super::problem::Problem;
use super::removal::{Assigned, Removal};
use super::route::INFEASIBLE;
use super::trip::IndexedTrip;
use crate::snapshot::Route;

/// The cost of a delivery in no route, milliseconds: more than any delay, so that none is left out to save time.
const UNSERVED_MS: i64 = 24 * 3_600_000;

/// Tentative routes of all riders, and the state of the search.
pub(super) struct Search<'p, 'a> {
    problem: &'p Problem<'a>,
    /// By worker.
    pub tours: Vec<Tour>,
    /// The jobs in no route.
    pub unserved: Vec<u32>,
    /// The number of the worker who carries each job; `None` for a job in no route.
    pub worker_of: Vec<Option<u32>>,
    cache: InsertionCache<'p, 'a>,
    removal: Removal<'p, 'a>,
    /// The newest version of a tour.
    versions: u32,
    undo: UndoLog,
}

/// The tours that a step has changed, as they were before. Keeps its allocations from step to step.
#[derive(Default)]
struct UndoLog {
    saved: Vec<Saved>,
    /// Only the first so many entries of `saved` are of this step.
    len: usize,
}

struct Saved {
    worker: usize,
    tour: Tour,
}

impl UndoLog {
    fn entries(&self) -> &[Saved] {
        &self.saved[..self.len]
    }

    /// Saves a tour before its first change in this step.
    fn save(&mut self, worker: usize, tour: &Tour) {
        if self.entries().iter().any(|s| s.worker == worker) {
            return;
        }
        if self.len == self.saved.len() {
            self.saved.push(Saved { worker, tour: Tour::default() });
        }
        let saved = &mut self.saved[self.len];
        saved.worker = worker;
        saved.tour.copy_from(tour);
        self.len += 1;
    }
}

/// Lists of a step whose allocations are kept from step to step.
#[derive(Default)]
struct Buffers {
    removed: Vec<u32>,
    unserved_before: Vec<u32>,
    /// The jobs that were taken out of a route, and the worker of each.
    worker_before: Vec<(u32, u32)>,
}

/// A candidate and what an insertion into their route costs, milliseconds. At the same cost the lower number is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    delta_ms: i64,
    /// The position in the job's list of candidates.
    candidate: u32,
}

/// The best two candidates for a job.
#[derive(Clone, Copy)]
struct BestTwo {
    job: u32,
    best: Option<Ranked>,
    second: Option<Ranked>,
}

impl BestTwo {
    /// The regret: what the job loses with its second best candidate, milliseconds. A job that fits into one route only
    /// has the greatest. At the same regret the cheaper job goes first.
    fn regret(&self) -> (i64, i64) {
        match (self.best, self.second) {
            (Some(best), Some(second)) => (second.delta_ms - best.delta_ms, -best.delta_ms),
            (Some(best), None) => (INFEASIBLE, -best.delta_ms),
            (None, _) => (-1, 0),
        }
    }
}

impl<'p, 'a> Search<'p, 'a> {
    /// The routes with their fixed trips only.
    pub fn new(problem: &'p Problem<'a>, seed: u64) -> Self {
        let mut this = Self {
            problem,
            tours: problem.fixed.iter().map(|trips| Tour { trips: trips.clone(), ..Tour::default() }).collect(),
            unserved: Vec::new(),
            worker_of: vec![None; problem.jobs.len()],
            cache: InsertionCache::new(problem),
            removal: Removal::new(problem, seed),
            versions: 0,
            undo: UndoLog::default(),
        };
        for worker in 0..this.tours.len() {
            for job in problem.fixed[worker].iter().flat_map(IndexedTrip::jobs) {
                this.worker_of[*job as usize] = Some(worker as u32);
            }
            this.evaluate(worker);
        }
        this
    }

    /// Computes a tour anew, under a new version.
    fn evaluate(&mut self, worker: usize) {
        self.versions += 1;
        self.tours[worker].evaluate(self.problem, worker, self.versions);
    }

    /// The objective: the cost of every route, and of the deliveries in none; milliseconds.
    pub fn objective_ms(&self) -> i64 {
        self.tours.iter().map(|t| t.cost_ms).sum::<i64>() + self.unserved_ms()
    }

    fn unserved_ms(&self) -> i64 {
        UNSERVED_MS * self.unserved.len() as i64
    }

    /// Takes over the routes of an earlier plan, as far as they are still possible.
    pub fn warm_start(&mut self, previous: &[Route]) {
        let mut routes: Vec<&Route> = previous.iter().collect();
        // The order of the list must not matter, also where two routes name the same rider.
        routes.sort_by(|a, b| a.rider.cmp(&b.rider).then_with(|| format!("{a:?}").cmp(&format!("{b:?}"))));
        for route in routes {
            let Ok(worker) = self.problem.workers.binary_search_by_key(&route.rider, |w| w.rider.id) else { continue };
            let before = self.tours[worker].clone();
            let added = self.append_route(worker, route);
            self.evaluate(worker);
            if self.tours[worker].cost_ms >= INFEASIBLE / 2 {
                added.iter().for_each(|j| self.worker_of[*j as usize] = None);
                self.tours[worker] = before;
            }
        }
    }

    /// Appends the jobs of an earlier route to a tour, and returns those that were added.
    fn append_route(&mut self, worker: usize, route: &Route) -> Vec<u32> {
        let problem = self.problem;
        let trips = &mut self.tours[worker].trips;
        let mut added = Vec::new();
        for trip in &route.trips {
            let numbers = trip.deliveries.iter().filter_map(|id| job::number_of(&problem.jobs, *id));
            let jobs: Vec<u32> = numbers.map(|n| n as u32).collect();
            let is_fixed = |j: &u32| problem.jobs[*j as usize].is_fixed;
            // Into the fixed trip that it was planned with, or as a trip of its own.
            let mut at = trips.iter().position(|t| jobs.iter().any(|j| is_fixed(j) && t.jobs().contains(j)));
            for job in jobs.iter().copied().filter(|j| !is_fixed(j)) {
                let known = &problem.jobs[job as usize];
                let is_candidate = known.candidates.binary_search(&(worker as u32)).is_ok();
                if self.worker_of[job as usize].is_some() || !is_candidate {
                    continue;
                }
                match at {
                    Some(n) if trips[n].shop == known.shop && trips[n].len() < problem.bundle_most(worker) => {
                        let end = trips[n].len();
                        trips[n].insert(end, job);
                    }
                    Some(_) => continue,
                    None => {
                        trips.push(IndexedTrip::new(known.shop, job));
                        at = Some(trips.len() - 1);
                    }
                }
                self.worker_of[job as usize] = Some(worker as u32);
                added.push(job);
            }
        }
        added
    }

    /// Inserts every open delivery that is in no route.
    pub fn construct(&mut self) {
        let is_missing = |j: &u32| self.worker_of[*j as usize].is_none();
        let mut missing: Vec<u32> = self.problem.open.iter().copied().filter(is_missing).collect();
        self.unserved.clear();
        self.insert_by_regret(&mut missing);
        self.undo.len = 0;
    }

    /// The cheapest insertion of a job into the route of its `candidate`-th candidate, as the routes are now.
    pub fn insertion(&self, job: u32, candidate: usize) -> Option<Insertion> {
        self.cache.peek(&self.tours, job, candidate)
    }

    fn best_two(&mut self, job: u32) -> BestTwo {
        let (mut best, mut second) = (None, None);
        for candidate in 0..self.problem.jobs[job as usize].candidates.len() {
            let Some(insertion) = self.cache.get(&self.tours, job, candidate) else { continue };
            let ranked = Some(Ranked { delta_ms: insertion.delta_ms, candidate: candidate as u32 });
            if best.is_none() || ranked < best {
                (best, second) = (ranked, best);
            } else if second.is_none() || ranked < second {
                second = ranked;
            }
        }
        BestTwo { job, best, second }
    }

    /// Inserts all of these jobs, the one with the greatest regret first. What fits into no route becomes unserved.
    fn insert_by_regret(&mut self, jobs: &mut Vec<u32>) {
        let mut waiting: Vec<BestTwo> = jobs.drain(..).map(|j| self.best_two(j)).collect();
        while !waiting.is_empty() {
            // The first of the greatest: jobs are in the order of their numbers, so ties go by id.
            let next = (1..waiting.len()).fold(0, |n, m| if waiting[m].regret() > waiting[n].regret() { m } else { n });
            let BestTwo { job, best, .. } = waiting.remove(next);
            let Some(Ranked { candidate, .. }) = best else {
                self.unserved.push(job);
                continue;
            };
            let Some(insertion) = self.cache.get(&self.tours, job, candidate as usize) else { continue };
            let worker = self.problem.jobs[job as usize].candidates[candidate as usize];
            self.insert(job, worker as usize, insertion);
            for other in &mut waiting {
                if self.problem.jobs[other.job as usize].candidates.binary_search(&worker).is_ok() {
                    *other = self.best_two(other.job);
                }
            }
        }
    }

    fn insert(&mut self, job: u32, worker: usize, insertion: Insertion) {
        self.undo.save(worker, &self.tours[worker]);
        self.tours[worker].insert(self.problem.jobs[job as usize].shop, job, insertion);
        self.worker_of[job as usize] = Some(worker as u32);
        self.evaluate(worker);
    }

    /// Takes a job out of a route, which is to be evaluated afterwards.
    fn remove(&mut self, job: u32, worker: usize) {
        self.undo.save(worker, &self.tours[worker]);
        self.tours[worker].remove(job);
        self.worker_of[job as usize] = None;
    }

    /// Makes so many steps. Returns how many lowered the objective.
    pub fn improve(&mut self, steps: u32) -> u32 {
        if self.problem.open.len() < 2 && self.unserved.is_empty() {
            return 0;
        }
        let mut buffers = Buffers::default();
        let mut improvements = 0;
        for _ in 0..steps {
            improvements += u32::from(self.step(&mut buffers));
        }
        self.undo.len = 0;
        improvements
    }

    /// One step of destroy and repair. Returns whether it lowered the objective.
    fn step(&mut self, buffers: &mut Buffers) -> bool {
        let Buffers { removed, unserved_before, worker_before } = buffers;
        self.undo.len = 0;
        removed.clear();
        let assigned = Assigned { tours: &self.tours, worker_of: &self.worker_of, unserved: &self.unserved };
        self.removal.choose(assigned, removed);

        unserved_before.clone_from(&self.unserved);
        worker_before.clear();
        for job in removed.iter() {
            if let Some(worker) = self.worker_of[*job as usize] {
                worker_before.push((*job, worker));
                self.remove(*job, worker as usize);
            }
        }
        let unserved_before_ms = self.unserved_ms();
        self.unserved.retain(|j| !removed.contains(j));
        // A route without some of its deliveries is still feasible. Each is evaluated once.
        for n in 0..self.undo.len {
            self.evaluate(self.undo.saved[n].worker);
        }
        removed.sort_unstable();
        self.insert_by_regret(removed);

        let before_ms = self.undo.entries().iter().map(|s| s.tour.cost_ms).sum::<i64>() + unserved_before_ms;
        let after_ms =
            self.undo.entries().iter().map(|s| self.tours[s.worker].cost_ms).sum::<i64>() + self.unserved_ms();
        if after_ms > before_ms {
            self.undo_step(unserved_before, worker_before);
        }
        after_ms < before_ms
    }

    fn undo_step(&mut self, unserved_before: &[u32], worker_before: &[(u32, u32)]) {
        for saved in &mut self.undo.saved[..self.undo.len] {
            std::mem::swap(&mut self.tours[saved.worker], &mut saved.tour);
        }
        self.unserved.clear();
        self.unserved.extend_from_slice(unserved_before);
        for job in unserved_before {
            self.worker_of[*job as usize] = None;
        }
        for (job, worker) in worker_before {
            self.worker_of[*job as usize] = Some(*worker);
        }
    }
}
