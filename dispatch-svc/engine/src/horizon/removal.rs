//! Removal: which deliveries a step of the search takes out of their routes (destroy). Mostly related ones, after Shaw
//! 1998, because deliveries that are near each other can change places.

use rand_core::Rng as _;
use rand_pcg::Pcg32;
use rand_pcg::rand_core;

use super::insertion::Tour;
use super::problem::Problem;

/// How many relatives of a delivery are known: the nearest ones.
const RELATIVES: usize = 12;
/// Two deliveries that are ready a minute of the city apart are as related as two that lie so far apart, metres.
const METRES_PER_MINUTE: i64 = 300;
/// Of a hundred steps, so many take whole routes out …
const WHOLE_ROUTES: usize = 25;
/// … and so many take relatives out; the rest takes random deliveries.
const RELATED: usize = 60;
/// The most deliveries of one step: a random one and its relatives …
const REMOVED_MOST: usize = 6;
/// … or those of whole routes.
const REMOVED_OF_ROUTES_MOST: usize = 8;
/// The most deliveries without a rider that a step tries to insert.
const UNSERVED_MOST: usize = 3;

/// Who carries what, as a step finds it.
#[derive(Clone, Copy)]
pub(super) struct Assigned<'s> {
    pub tours: &'s [Tour],
    /// By job; `None` for a job in no route.
    pub worker_of: &'s [Option<u32>],
    /// The jobs in no route.
    pub unserved: &'s [u32],
}

/// Chooses deliveries at random.
pub(super) struct Removal<'p, 'a> {
    problem: &'p Problem<'a>,
    /// By job, computed when first asked for; the nearest first.
    relatives: Vec<Option<Vec<u32>>>,
    random: Pcg32,
}

impl<'p, 'a> Removal<'p, 'a> {
    pub fn new(problem: &'p Problem<'a>, seed: u64) -> Self {
        let random = Pcg32::new(seed, problem.now_ms as u64);
        Self { problem, relatives: vec![None; problem.jobs.len()], random }
    }

    /// Appends the jobs that are to be taken out or, where they are in no route, to be tried again.
    pub fn choose(&mut self, assigned: Assigned, into: &mut Vec<u32>) {
        let problem = self.problem;
        into.extend_from_slice(&assigned.unserved[..assigned.unserved.len().min(UNSERVED_MOST)]);
        let wanted = 1 + self.below(problem.open.len().min(REMOVED_MOST));
        let first = problem.open[self.below(problem.open.len())];
        let kind = self.below(100);
        if !into.contains(&first) {
            into.push(first);
        }
        if kind < WHOLE_ROUTES {
            self.add_routes(assigned, first, into);
        } else if kind < WHOLE_ROUTES + RELATED {
            self.add_relatives(first, wanted, into);
        } else {
            for _ in 1..wanted {
                let job = problem.open[self.below(problem.open.len())];
                if !into.contains(&job) {
                    into.push(job);
                }
            }
        }
    }

    /// The route of a job's rider, and that of its nearest relative's rider.
    fn add_routes(&mut self, assigned: Assigned, first: u32, into: &mut Vec<u32>) {
        let relative = self.relative(first, 0);
        for job in [Some(first), relative].into_iter().flatten() {
            let Some(worker) = assigned.worker_of[job as usize] else { continue };
            for trip in &assigned.tours[worker as usize].trips {
                for job in trip.jobs() {
                    let is_fixed = self.problem.jobs[*job as usize].is_fixed;
                    if !is_fixed && !into.contains(job) && into.len() < REMOVED_OF_ROUTES_MOST {
                        into.push(*job);
                    }
                }
            }
        }
    }

    /// Relatives of a job, the nearer ones more often, until there are `wanted` jobs or chance ends it.
    fn add_relatives(&mut self, first: u32, wanted: usize, into: &mut Vec<u32>) {
        while into.len() < wanted {
            let (a, b) = (self.below(RELATIVES), self.below(RELATIVES));
            let Some(job) = self.relative(first, a.min(b)) else { break };
            if into.contains(&job) {
                if self.below(4) == 0 {
                    break;
                }
                continue;
            }
            into.push(job);
        }
    }

    /// A random number below `n`.
    fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.random.next_u32()) * n as u64) >> 32) as usize
    }

    /// The `n`-th nearest open delivery, by counter, door and ready time.
    fn relative(&mut self, job: u32, n: usize) -> Option<u32> {
        let problem = self.problem;
        let known = self.relatives[job as usize].get_or_insert_with(|| relatives(problem, job));
        if known.is_empty() { None } else { known.get(n % known.len()).copied() }
    }
}

fn relatives(problem: &Problem, job: u32) -> Vec<u32> {
    let this = &problem.jobs[job as usize];
    let minute_ms = problem.policy.minute_ms.max(1);
    let distance = |other: u32| {
        let that = &problem.jobs[other as usize];
        let metres = this.pickup.metres_to(that.pickup) + this.dropoff.metres_to(that.dropoff) / 2.0;
        let apart_ms = (this.ready_ms - that.ready_ms).abs();
        metres as i64 + apart_ms * METRES_PER_MINUTE / minute_ms
    };
    let others = problem.open.iter().copied().filter(|other| *other != job);
    let mut near: Vec<(i64, u32)> = others.map(|other| (distance(other), other)).collect();
    if near.len() > RELATIVES {
        near.select_nth_unstable(RELATIVES - 1);
        near.truncate(RELATIVES);
    }
    near.sort_unstable();
    near.into_iter().map(|(_, other)| other).collect()
}
