//! A snapshot with numbers instead of ids: what the search works on.

use pannier_contracts::{DeliveryId, MerchantId};

use super::value::EndValue;
use super::ways::Ways;
use crate::gates::{Gate, standing_gate};
use crate::reposition::{self, Waiting};
use crate::travel::{Pace, Point};
use crate::{Delivery, Policy, Rider, Snapshot};

/// No shop: somebody who stands in the street.
pub(super) const NO_SHOP: u32 = u32::MAX;

/// The moments at which food may be ready, at most so many.
pub(super) const MOMENTS: usize = 8;

/// A delivery.
pub(super) struct Job<'a> {
    pub delivery: &'a Delivery,
    pub shop: u32,
    pub pickup: Point,
    pub dropoff: Point,
    /// The moments at which it may be ready, sorted; only the first `moments` count.
    pub ready: [i64; MOMENTS],
    pub moments: usize,
    /// Their mean.
    pub ready_ms: i64,
    /// A rider who leaves just in time means to be there by then.
    pub be_there_ms: i64,
    pub promise_at_ms: i64,
    /// From the counter to the door, straight, metres.
    pub ride_m: f64,
    /// The same for most riders, milliseconds.
    pub ride_ms: i64,
    /// Does its rider not change any more, or does nobody look for one?
    pub is_fixed: bool,
    /// Has a rider accepted it?
    pub is_accepted: bool,
    /// Is it too long after it was ready?
    pub is_given_up: bool,
    /// The riders who may take it: those nearest to it in time, by number.
    pub candidates: Vec<u32>,
    /// Where it ends: what that is worth, see `value.rs`.
    pub end_ms: i64,
}

/// A rider.
pub(super) struct Worker<'a> {
    pub rider: &'a Rider,
    pub pace: Pace,
    /// When and where they are free. At a counter: when they arrived there.
    pub free_at_ms: i64,
    pub free_place: Point,
    pub at_counter: u32,
    pub shift_end_ms: i64,
    /// What asking this rider costs beyond time, per delivery: see `cost.rs`.
    pub asking_ms: i64,
    /// What their first new trip gains for having been idle.
    pub idle_gain_ms: i64,
    /// What the next orders lose while they are busy.
    pub absence_ms: i64,
    /// What it is worth where they stand.
    pub end_ms: i64,
    /// The first so many trips of the route are fixed.
    pub fixed_trips: usize,
}

/// To one counter, then to doors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Leg {
    pub shop: u32,
    len: u8,
    jobs: [u32; Leg::MOST],
}

impl Leg {
    /// The most deliveries of one trip, whatever the policy says.
    pub const MOST: usize = 6;

    pub fn new(shop: u32, job: u32) -> Self {
        let mut jobs = [0; Self::MOST];
        jobs[0] = job;
        Self { shop, len: 1, jobs }
    }

    pub fn jobs(&self) -> &[u32] {
        &self.jobs[..usize::from(self.len)]
    }

    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub fn insert(&mut self, at: usize, job: u32) {
        let len = self.len();
        debug_assert!(len < Self::MOST && at <= len);
        self.jobs.copy_within(at..len, at + 1);
        self.jobs[at] = job;
        self.len += 1;
    }

    pub fn remove(&mut self, at: usize) {
        self.jobs.copy_within(at + 1..usize::from(self.len), at);
        self.len -= 1;
    }
}

/// All of it.
pub(super) struct Problem<'a> {
    pub now_ms: i64,
    pub policy: &'a Policy,
    /// Half of what a stop takes, before and after the handing over.
    pub half_counter_ms: i64,
    pub half_door_ms: i64,
    pub jobs: Vec<Job<'a>>,
    pub workers: Vec<Worker<'a>>,
    /// Routes as fixed: what the search may not take apart.
    pub fixed: Vec<Vec<Leg>>,
    pub value: EndValue,
    /// How fast most riders are.
    pub common: Pace,
    pub ways: Ways,
}

impl<'a> Problem<'a> {
    pub fn new(snapshot: &'a Snapshot, policy: &'a Policy) -> Self {
        let deliveries = snapshot.deliveries_by_id();
        let riders = snapshot.riders_by_id();
        let mut shops: Vec<MerchantId> = deliveries.iter().map(|d| d.shop).collect();
        shops.sort_unstable();
        shops.dedup();
        let number = |shop: MerchantId| shops.binary_search(&shop).map_or(NO_SHOP, |n| n as u32);
        let value = EndValue::new(snapshot, policy);
        let now_ms = snapshot.now_ms;
        let mut jobs: Vec<Job> =
            deliveries.iter().map(|d| Job::new(d, number(d.shop), now_ms, policy, &value)).collect();
        let workers: Vec<Worker> = riders
            .iter()
            .map(|r| Worker::new(r, snapshot, policy, &value, r.at_counter.map_or(NO_SHOP, number)))
            .collect();
        let common = common_pace(&workers, snapshot);
        jobs.iter_mut().for_each(|j| j.ride_ms = common.way_ms(j.ride_m));
        let ways = Ways::new(&jobs, &workers, shops.len(), common);
        let mut this = Self {
            now_ms,
            policy,
            half_counter_ms: snapshot.city.counter_ms / 2,
            half_door_ms: snapshot.city.door_ms / 2,
            fixed: vec![Vec::new(); workers.len()],
            jobs: Vec::new(),
            workers,
            value,
            common,
            ways,
        };
        this.fix(&mut jobs);
        this.price_absence(snapshot);
        this.jobs = jobs;
        this.find_candidates();
        this
    }

    /// What the next orders lose when an idle rider is given something.
    fn price_absence(&mut self, snapshot: &Snapshot) {
        let weight = self.policy.horizon.absence_permille;
        if weight == 0 {
            return;
        }
        let see = |w: &Worker| w.waiting(self.now_ms, self.policy, w.free_at_ms, w.free_place, false);
        let waiting: Vec<Waiting> = self.workers.iter().map(see).collect();
        let losses = reposition::losses(snapshot, self.policy, &waiting);
        for (worker, loss_ms) in self.workers.iter_mut().zip(losses) {
            worker.absence_ms = loss_ms * weight / 1_000;
        }
    }

    /// The number of a delivery.
    pub fn number_of(&self, id: DeliveryId) -> Option<u32> {
        find(&self.jobs, id).map(|n| n as u32)
    }

    /// What riders have accepted, or are being asked, stays with them.
    fn fix(&mut self, jobs: &mut [Job]) {
        for (n, worker) in self.workers.iter_mut().enumerate() {
            for trip in &worker.rider.committed {
                for id in &trip.deliveries {
                    let Some(job) = find(jobs, *id) else { continue };
                    jobs[job].is_accepted = true;
                    add(&mut self.fixed[n], &mut jobs[job], job as u32);
                }
            }
            worker.fixed_trips = self.fixed[n].len();
        }
        for (number, job) in jobs.iter_mut().enumerate() {
            let delivery = job.delivery;
            // Without a rider and none wanted: somebody else's business.
            job.is_fixed |= job.is_given_up && !job.is_accepted;
            let Some(asked) = delivery.offered_to.iter().min() else {
                job.is_fixed |= delivery.offers_wanted == 0;
                continue;
            };
            if job.is_fixed || delivery.offers_wanted > 0 {
                continue;
            }
            match self.workers.binary_search_by_key(asked, |w| w.rider.id) {
                Ok(n) => {
                    add(&mut self.fixed[n], job, number as u32);
                    self.workers[n].fixed_trips = self.fixed[n].len();
                }
                // Their rider is not in the snapshot: nobody plans for it, and the answer will tell.
                Err(_) => job.is_fixed = true,
            }
        }
    }

    /// For every open delivery the riders who could be there first.
    fn find_candidates(&mut self) {
        // Where nobody has declined and nobody is asked, all deliveries of a counter have the same candidates.
        let mut of_counter: Vec<Option<(Point, Vec<u32>)>> = vec![None; self.jobs.len()];
        let mut near: Vec<(i64, u32)> = Vec::with_capacity(self.workers.len());
        for job in 0..self.jobs.len() {
            let known = &self.jobs[job];
            if known.is_fixed {
                continue;
            }
            let is_usual = known.delivery.excluded.is_empty() && known.delivery.offered_to.is_empty();
            let (shop, pickup) = (known.shop as usize, known.pickup);
            let candidates = match &of_counter[shop] {
                Some((place, candidates)) if is_usual && *place == pickup => candidates.clone(),
                _ => {
                    let candidates = self.nearest(known, &mut near);
                    if is_usual {
                        of_counter[shop] = Some((pickup, candidates.clone()));
                    }
                    candidates
                }
            };
            self.jobs[job].candidates = candidates;
        }
    }

    fn nearest(&self, job: &Job, near: &mut Vec<(i64, u32)>) -> Vec<u32> {
        let most = self.policy.horizon.candidates as usize;
        near.clear();
        for (n, worker) in self.workers.iter().enumerate() {
            if standing_gate(job.delivery, worker.rider, self.policy).is_none() {
                let arrive_ms =
                    worker.free_at_ms.max(self.now_ms) + worker.pace.travel_ms(worker.free_place, job.pickup);
                near.push((arrive_ms, n as u32));
            }
        }
        if near.len() > most && most > 0 {
            near.select_nth_unstable(most - 1);
            near.truncate(most);
        }
        let mut candidates: Vec<u32> = near.iter().map(|(_, n)| *n).collect();
        candidates.sort_unstable();
        candidates
    }

    /// The gate that keeps a rider from a delivery, whatever the plan.
    pub fn gate(&self, job: u32, worker: usize) -> Option<Gate> {
        standing_gate(self.jobs[job as usize].delivery, self.workers[worker].rider, self.policy)
    }
}

/// The pace of the rider in the middle: with one kind of vehicle, everybody's.
fn common_pace(workers: &[Worker], snapshot: &Snapshot) -> Pace {
    let mut speeds: Vec<f64> = workers.iter().map(|w| w.rider.speed_mps).collect();
    speeds.sort_by(f64::total_cmp);
    Pace::new(&snapshot.city, speeds.get(speeds.len() / 2).copied().unwrap_or(5.0))
}

fn find(jobs: &[Job], id: DeliveryId) -> Option<usize> {
    jobs.binary_search_by_key(&id, |j| j.delivery.id).ok()
}

fn add(route: &mut Vec<Leg>, job: &mut Job, number: u32) {
    if job.is_fixed {
        return;
    }
    job.is_fixed = true;
    match route.last_mut() {
        Some(leg) if leg.shop == job.shop && leg.len() < Leg::MOST => leg.insert(leg.len(), number),
        _ => route.push(Leg::new(job.shop, number)),
    }
}

impl<'a> Job<'a> {
    fn new(delivery: &'a Delivery, shop: u32, now_ms: i64, policy: &Policy, value: &EndValue) -> Self {
        let all = delivery.ready.moments_ms();
        let moments = all.len().clamp(1, MOMENTS);
        let mut ready = [0; MOMENTS];
        for (n, moment) in ready.iter_mut().enumerate().take(moments) {
            // More moments than we look at: spread over all of them.
            *moment = all.get((2 * n + 1) * all.len() / (2 * moments)).copied().unwrap_or(now_ms);
        }
        let early_ms = if moments > 1 { policy.horizon.be_there_early_min * policy.minute_ms } else { 0 };
        Self {
            delivery,
            shop,
            pickup: delivery.pickup,
            dropoff: delivery.dropoff,
            ready,
            moments,
            ready_ms: delivery.ready.mean_ms(),
            be_there_ms: ready[0] - early_ms,
            promise_at_ms: delivery.promise_at_ms,
            ride_m: delivery.pickup.metres_to(delivery.dropoff),
            ride_ms: 0,
            is_fixed: false,
            is_accepted: false,
            is_given_up: now_ms >= delivery.ready.mean_ms().saturating_add(policy.give_up_ms.max(0)),
            candidates: Vec::new(),
            end_ms: value.of_ms(delivery.dropoff),
        }
    }
}

impl<'a> Worker<'a> {
    /// As somebody who waits for the next order, from that moment on and there.
    pub fn waiting(&self, now_ms: i64, policy: &Policy, at_ms: i64, place: Point, is_done: bool) -> Waiting {
        let is_here = self.rider.available && !self.rider.stale;
        let leaves_soon = self.shift_end_ms < at_ms.max(now_ms) + policy.reposition.shift_left_min * policy.minute_ms;
        Waiting {
            id: self.rider.id,
            place,
            free_in_ms: (is_here && !leaves_soon).then(|| (at_ms - now_ms).max(0)),
            is_movable: is_here && is_done && self.free_at_ms <= now_ms && !leaves_soon,
            pace: self.pace,
        }
    }

    fn new(rider: &'a Rider, snapshot: &Snapshot, policy: &Policy, value: &EndValue, at_counter: u32) -> Self {
        let idle_ms = snapshot.now_ms.saturating_sub(rider.idle_since_ms).max(0);
        Self {
            rider,
            pace: Pace::new(&snapshot.city, rider.speed_mps),
            free_at_ms: rider.free_at_ms,
            free_place: rider.free_place,
            at_counter,
            shift_end_ms: rider.shift_end_ms,
            asking_ms: policy.weights.asking_ms(rider),
            idle_gain_ms: if rider.load == 0 { policy.weights.fairness_gain_ms(idle_ms) } else { 0 },
            absence_ms: 0,
            end_ms: value.of_ms(rider.free_place),
            fixed_trips: 0,
        }
    }
}
