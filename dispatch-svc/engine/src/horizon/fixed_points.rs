//! Fixed points: deliveries that stay with their rider, at the front of the route, because the rider has been told.

use super::job::{Job, number_of};
use super::trip::IndexedTrip;
use super::worker::Worker;

/// Marks the jobs that the search may not move, and returns the fixed trips of every worker: accepted trips, then
/// deliveries whose offer is open while no more are wanted.
pub(super) fn fix(jobs: &mut [Job], workers: &mut [Worker]) -> Vec<Vec<IndexedTrip>> {
    let mut fixed = vec![Vec::new(); workers.len()];
    for (worker, trips) in workers.iter_mut().zip(&mut fixed) {
        for id in worker.rider.committed.iter().flat_map(|trip| &trip.deliveries) {
            let Some(number) = number_of(jobs, *id) else { continue };
            jobs[number].is_accepted = true;
            append(trips, &mut jobs[number], number as u32);
        }
        worker.fixed_trips = trips.len();
    }
    for (number, job) in jobs.iter_mut().enumerate() {
        job.is_fixed |= job.is_given_up && !job.is_accepted;
        let Some(asked) = job.delivery.offered_to.iter().min() else {
            // No open offer and none wanted: it is not planned for.
            job.is_fixed |= job.delivery.offers_wanted == 0;
            continue;
        };
        if job.is_fixed || job.delivery.offers_wanted > 0 {
            continue;
        }
        match workers.binary_search_by_key(asked, |w| w.rider.id) {
            Ok(worker) => {
                append(&mut fixed[worker], job, number as u32);
                workers[worker].fixed_trips = fixed[worker].len();
            }
            // The rider with the offer is not in the snapshot. Nobody else is planned until the offer is answered.
            Err(_) => job.is_fixed = true,
        }
    }
    fixed
}

/// Appends a job to the last trip if it is of the same shop, or as a trip of its own. A fixed job is in a route already.
fn append(trips: &mut Vec<IndexedTrip>, job: &mut Job, number: u32) {
    if job.is_fixed {
        return;
    }
    job.is_fixed = true;
    match trips.last_mut() {
        Some(trip) if trip.shop == job.shop && trip.len() < IndexedTrip::MOST => trip.insert(trip.len(), number),
        _ => trips.push(IndexedTrip::new(job.shop, number)),
    }
}
