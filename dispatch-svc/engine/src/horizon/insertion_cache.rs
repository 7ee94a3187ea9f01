//! Cached insertions: a step of the search changes a few routes, so most insertions are still the cheapest ones.

use super::insertion::{Insertion, Tour};
use super::problem::Problem;

/// The cheapest insertion of one job into the route of one candidate, at one version of that route.
#[derive(Clone, Copy)]
struct Entry {
    version: u32,
    insertion: Option<Insertion>,
}

/// The newest two entries for every job and candidate. Two, because most steps are undone and the route is then at the
/// version before.
pub(super) struct InsertionCache<'p, 'a> {
    problem: &'p Problem<'a>,
    entries: Vec<Vec<[Entry; 2]>>,
}

impl<'p, 'a> InsertionCache<'p, 'a> {
    pub fn new(problem: &'p Problem<'a>) -> Self {
        // No tour has the version 0.
        let empty = Entry { version: 0, insertion: None };
        let entries = problem.jobs.iter().map(|j| vec![[empty; 2]; j.candidates.len()]).collect();
        Self { problem, entries }
    }

    /// The cheapest insertion of a job into the route of its `candidate`-th candidate, as the route is now.
    pub fn get(&mut self, tours: &[Tour], job: u32, candidate: usize) -> Option<Insertion> {
        let worker = self.problem.jobs[job as usize].candidates[candidate] as usize;
        let tour = &tours[worker];
        let entry = &mut self.entries[job as usize][candidate];
        if entry[0].version != tour.version {
            if entry[1].version != tour.version {
                let insertion = self.problem.best_insertion(worker, tour, job);
                entry[1] = Entry { version: tour.version, insertion };
            }
            entry.swap(0, 1);
        }
        entry[0].insertion
    }

    /// Like [`InsertionCache::get`], without caching what is computed.
    pub fn peek(&self, tours: &[Tour], job: u32, candidate: usize) -> Option<Insertion> {
        let worker = self.problem.jobs[job as usize].candidates[candidate] as usize;
        let tour = &tours[worker];
        let entry = self.entries[job as usize][candidate].iter().find(|e| e.version == tour.version);
        entry.map_or_else(|| self.problem.best_insertion(worker, tour, job), |e| e.insertion)
    }
}
