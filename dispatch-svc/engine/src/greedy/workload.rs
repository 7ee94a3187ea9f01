//! A rider's commitments, including what the plan in the making adds, and the times of one more pickup after them.

use crate::snapshot::{Delivery, Rider, Snapshot};
use crate::travel::{Pace, Point};

/// A delivery, with what the price of every rider needs.
pub(super) struct Job<'a> {
    pub delivery: &'a Delivery,
    /// The mean ready time, milliseconds since 1970.
    pub ready_at_ms: i64,
    /// From the counter to the door in a straight line, metres.
    pub ride_m: f64,
}

impl<'a> Job<'a> {
    pub fn new(delivery: &'a Delivery) -> Self {
        Self { delivery, ready_at_ms: delivery.ready.mean_ms(), ride_m: delivery.pickup.metres_to(delivery.dropoff) }
    }
}

/// A rider as the plan stands.
pub(super) struct Workload<'a> {
    pub rider: &'a Rider,
    /// Orders and offers, those of this plan included.
    pub load: u32,
    /// When the rider is done with all of them, milliseconds since 1970.
    pub free_at_ms: i64,
    /// Where the rider is then.
    pub free_place: Point,
    pace: Pace,
    half_counter_ms: i64,
    half_door_ms: i64,
    /// How many deliveries this plan has given to the rider. A price that was made at another count is out of date.
    pub assigned: u32,
}

/// The times of one job, done after everything else that the rider has.
pub(super) struct JobTimes {
    /// The ride to the counter, milliseconds.
    pub travel_ms: i64,
    /// When the rider has been served at the counter and could take the food, milliseconds since 1970.
    pub arrival_ms: i64,
    pub half_counter_ms: i64,
    /// From taking the food to handing it over, milliseconds.
    pub ride_ms: i64,
}

impl<'a> Workload<'a> {
    pub fn new(rider: &'a Rider, snapshot: &Snapshot) -> Self {
        let pace = Pace::new(&snapshot.travel, rider.speed_mps);
        let (half_counter_ms, half_door_ms) = (snapshot.travel.counter_ms / 2, snapshot.travel.door_ms / 2);
        // The rider is free after every accepted delivery has been picked up and dropped off, one by one.
        let (mut free_at_ms, mut free_place) = (rider.free_at_ms.max(snapshot.now_ms), rider.free_place);
        for id in rider.committed.iter().flat_map(|t| &t.deliveries) {
            let Some(delivery) = snapshot.deliveries.iter().find(|d| d.id == *id) else { continue };
            let served_ms = free_at_ms + pace.travel_ms(free_place, delivery.pickup) + half_counter_ms;
            let ride_ms = half_counter_ms + pace.travel_ms(delivery.pickup, delivery.dropoff) + 2 * half_door_ms;
            free_at_ms = served_ms.max(delivery.ready.mean_ms()) + ride_ms;
            free_place = delivery.dropoff;
        }
        Self { rider, load: rider.load, free_at_ms, free_place, pace, half_counter_ms, half_door_ms, assigned: 0 }
    }

    /// The times of this job, done next.
    pub fn times(&self, job: &Job) -> JobTimes {
        let travel_ms = self.pace.travel_ms(self.free_place, job.delivery.pickup);
        let arrival_ms = self.free_at_ms.saturating_add(travel_ms).saturating_add(self.half_counter_ms);
        let ride_ms = self.half_counter_ms + self.pace.duration_ms(job.ride_m) + self.half_door_ms;
        JobTimes { travel_ms, arrival_ms, ride_ms, half_counter_ms: self.half_counter_ms }
    }

    /// Adds a job: the rider gets the offer, and for the rest of this plan is taken to accept it.
    pub fn assign(&mut self, job: &Job) {
        let times = self.times(job);
        self.load = self.load.saturating_add(1);
        self.assigned += 1;
        self.free_at_ms = times.at_door_ms(job).saturating_add(self.half_door_ms);
        self.free_place = job.delivery.dropoff;
    }
}

impl JobTimes {
    /// When to make the offer so that the rider has been served at `served_ms`, milliseconds since 1970.
    pub fn offer_at_ms(&self, served_ms: i64) -> i64 {
        served_ms.saturating_sub(self.travel_ms).saturating_sub(self.half_counter_ms)
    }

    /// When the food is handed over, milliseconds since 1970.
    pub fn at_door_ms(&self, job: &Job) -> i64 {
        self.arrival_ms.max(job.ready_at_ms).saturating_add(self.ride_ms)
    }
}
