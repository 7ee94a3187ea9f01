//! The problem that the search solves: a snapshot with numbers instead of ids, and with what every price needs computed
//! once. Deliveries become [`Job`]s, riders [`Worker`]s, both numbered in the order of their ids; shops have numbers, too.

use pannier_contracts::MerchantId;

use super::end_cost::EndCost;
use super::job::Job;
use super::travel_cache::TravelCache;
use super::trip::{IndexedTrip, NO_SHOP};
use super::worker::Worker;
use super::{candidates, fixed_points};
use crate::policy::Policy;
use crate::reposition::{self, WaitingRider};
use crate::snapshot::{Snapshot, median_speed_mps};
use crate::travel::Pace;

/// A snapshot, prepared for the search.
pub(super) struct Problem<'a> {
    pub now_ms: i64,
    pub policy: &'a Policy,
    /// Half of the service time at a counter, milliseconds.
    pub half_counter_ms: i64,
    /// Half of the service time at a door, milliseconds.
    pub half_door_ms: i64,
    pub jobs: Vec<Job<'a>>,
    /// The numbers of the jobs that the search may move, in ascending order.
    pub open: Vec<u32>,
    pub workers: Vec<Worker<'a>>,
    /// The fixed trips of every worker.
    pub fixed: Vec<Vec<IndexedTrip>>,
    pub end_cost: EndCost,
    /// The pace of most riders.
    pub common_pace: Pace,
    pub travel_cache: TravelCache,
}

impl<'a> Problem<'a> {
    pub fn new(snapshot: &'a Snapshot, policy: &'a Policy) -> Self {
        let now_ms = snapshot.now_ms;
        let deliveries = snapshot.deliveries_by_id();
        let mut shops: Vec<MerchantId> = deliveries.iter().map(|d| d.shop).collect();
        shops.sort_unstable();
        shops.dedup();
        let shop = |id: MerchantId| shops.binary_search(&id).map_or(NO_SHOP, |n| n as u32);
        let end_cost = EndCost::new(snapshot, policy);
        let mut jobs: Vec<Job> =
            deliveries.iter().map(|d| Job::new(d, shop(d.shop), now_ms, policy, &end_cost)).collect();
        let mut workers: Vec<Worker> = snapshot
            .riders_by_id()
            .into_iter()
            .map(|r| Worker::new(r, r.at_counter.map_or(NO_SHOP, shop), snapshot, policy, &end_cost))
            .collect();
        // The middle one: with one kind of vehicle, everybody's.
        let common_pace = Pace::new(&snapshot.travel, median_speed_mps(workers.iter().map(|w| w.rider)));
        jobs.iter_mut().for_each(|j| j.ride_ms = common_pace.duration_ms(j.ride_m));
        let fixed = fixed_points::fix(&mut jobs, &mut workers);
        price_absence(&mut workers, snapshot, policy);
        candidates::find(&mut jobs, &workers, now_ms, policy);
        Self {
            now_ms,
            policy,
            half_counter_ms: snapshot.travel.counter_ms / 2,
            half_door_ms: snapshot.travel.door_ms / 2,
            open: (0..jobs.len() as u32).filter(|j| !jobs[*j as usize].is_fixed).collect(),
            fixed,
            end_cost,
            common_pace,
            travel_cache: TravelCache::new(jobs.len(), workers.len(), shops.len(), common_pace),
            jobs,
            workers,
        }
    }
}

/// What the next orders lose when a rider gets something to do. It is computed once, from where riders are free now, so
/// that it depends on the rider alone.
fn price_absence(workers: &mut [Worker], snapshot: &Snapshot, policy: &Policy) {
    let weight = policy.horizon.absence_permille;
    if weight == 0 {
        return;
    }
    let waiting: Vec<WaitingRider> =
        workers.iter().map(|w| w.waiting(snapshot.now_ms, policy, w.free_at_ms, w.free_place, false)).collect();
    let losses = reposition::losses(snapshot, policy, &waiting);
    for (worker, loss_ms) in workers.iter_mut().zip(losses) {
        worker.absence_ms = loss_ms * weight / 1_000;
    }
}
