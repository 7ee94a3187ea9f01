//! Candidates: for every open delivery the riders who could be at the counter first. The others are not priced.

use super::job::Job;
use super::worker::Worker;
use crate::gates::standing_gate;
use crate::policy::Policy;
use crate::travel::Point;

/// Sets the candidates of every job that is not fixed.
pub(super) fn find(jobs: &mut [Job], workers: &[Worker], now_ms: i64, policy: &Policy) {
    // Without exclusions and open offers, all deliveries of a counter have the same candidates.
    let mut of_counter: Vec<Option<(Point, Vec<u32>)>> = vec![None; jobs.len()];
    let mut buffer = Vec::with_capacity(workers.len());
    for job in jobs.iter_mut().filter(|j| !j.is_fixed) {
        let is_usual = job.delivery.excluded.is_empty() && job.delivery.offered_to.is_empty();
        let shop = job.shop as usize;
        job.candidates = match &of_counter[shop] {
            Some((place, candidates)) if is_usual && *place == job.pickup => candidates.clone(),
            _ => {
                let candidates = nearest(job, workers, now_ms, policy, &mut buffer);
                if is_usual {
                    of_counter[shop] = Some((job.pickup, candidates.clone()));
                }
                candidates
            }
        };
    }
}

/// The riders without a standing gate who could be at the counter first, sorted by number. `buffer` saves allocations.
fn nearest(job: &Job, workers: &[Worker], now_ms: i64, policy: &Policy, buffer: &mut Vec<(i64, u32)>) -> Vec<u32> {
    let most = policy.horizon.candidates as usize;
    buffer.clear();
    for (n, worker) in workers.iter().enumerate() {
        if standing_gate(job.delivery, worker.rider, policy).is_none() {
            let arrive_ms = worker.free_at_ms.max(now_ms) + worker.pace.travel_ms(worker.free_place, job.pickup);
            buffer.push((arrive_ms, n as u32));
        }
    }
    if buffer.len() > most && most > 0 {
        buffer.select_nth_unstable(most - 1);
        buffer.truncate(most);
    }
    let mut candidates: Vec<u32> = buffer.iter().map(|(_, n)| *n).collect();
    candidates.sort_unstable();
    candidates
}
