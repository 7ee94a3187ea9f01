//! What a rider has to do, including what the plan in the making gives them, and how they would do one job more.

use crate::travel::{Pace, Point};
use crate::{Delivery, PlannedTrip, Rider, Snapshot};

/// A delivery, with what every rider's price needs.
pub(crate) struct Job<'a> {
    pub delivery: &'a Delivery,
    /// When the kitchen means to be done, milliseconds since 1970.
    pub ready_at_ms: i64,
    /// From the counter to the door, straight, metres.
    pub ride_m: f64,
}

impl<'a> Job<'a> {
    pub fn new(delivery: &'a Delivery) -> Self {
        Self { delivery, ready_at_ms: delivery.ready.mean_ms(), ride_m: delivery.pickup.metres_to(delivery.dropoff) }
    }
}

/// A rider in the plan so far.
pub(crate) struct Workload<'a> {
    pub rider: &'a Rider,
    /// Orders and offers, those of this plan included.
    pub load: u32,
    /// When and where they are done with all of it.
    pub free_at_ms: i64,
    pub free_place: Point,
    /// How they get around.
    pace: Pace,
    half_counter_ms: i64,
    half_door_ms: i64,
    /// How often this plan gave them something: a price made at another count is out of date.
    pub changes: u32,
}

/// How a rider would do a job after everything else they have.
pub(crate) struct Trip {
    /// From where they are free to the counter.
    pub travel_ms: i64,
    /// When they are served at the counter.
    pub arrival_ms: i64,
    pub half_counter_ms: i64,
    /// From taking the food to handing it over.
    pub ride_ms: i64,
}

impl<'a> Workload<'a> {
    pub fn new(rider: &'a Rider, snapshot: &Snapshot) -> Self {
        let pace = Pace::new(&snapshot.city, rider.speed_mps);
        let (half_counter_ms, half_door_ms) = (snapshot.city.counter_ms / 2, snapshot.city.door_ms / 2);
        // Nobody is done with what they have accepted before having been everywhere.
        let (mut free_at_ms, mut free_place) = (rider.free_at_ms.max(snapshot.now_ms), rider.free_place);
        for id in rider.committed.iter().flat_map(|t| &t.deliveries) {
            let Some(delivery) = snapshot.deliveries.iter().find(|d| d.id == *id) else { continue };
            let served_ms = free_at_ms + pace.travel_ms(free_place, delivery.pickup) + half_counter_ms;
            let ride_ms = half_counter_ms + pace.travel_ms(delivery.pickup, delivery.dropoff) + 2 * half_door_ms;
            free_at_ms = served_ms.max(delivery.ready.mean_ms()) + ride_ms;
            free_place = delivery.dropoff;
        }
        Self { rider, load: rider.load, free_at_ms, free_place, pace, half_counter_ms, half_door_ms, changes: 0 }
    }

    pub fn trip(&self, job: &Job) -> Trip {
        let travel_ms = self.pace.travel_ms(self.free_place, job.delivery.pickup);
        let arrival_ms = self.free_at_ms.saturating_add(travel_ms).saturating_add(self.half_counter_ms);
        let ride_ms = self.half_counter_ms + self.pace.way_ms(job.ride_m) + self.half_door_ms;
        Trip { travel_ms, arrival_ms, ride_ms, half_counter_ms: self.half_counter_ms }
    }

    /// How they would do it, as a trip with its times.
    pub fn planned(&self, job: &Job) -> PlannedTrip {
        let trip = self.trip(job);
        PlannedTrip {
            trip: crate::Trip { shop: job.delivery.shop, deliveries: vec![job.delivery.id] },
            leave_at_ms: self.free_at_ms,
            pickup_at_ms: trip.arrival_ms.max(job.ready_at_ms),
            dropoffs_at_ms: vec![trip.at_door_ms(job)],
        }
    }

    /// The rider is asked; for the rest of this plan they count as having said yes.
    pub fn take(&mut self, job: &Job) {
        let trip = self.trip(job);
        self.load = self.load.saturating_add(1);
        self.changes += 1;
        self.free_at_ms = trip.at_door_ms(job).saturating_add(self.half_door_ms);
        self.free_place = job.delivery.dropoff;
    }
}

impl Trip {
    /// When to ask, so that the rider is served at `served_ms`.
    pub fn later_ms(&self, served_ms: i64) -> i64 {
        served_ms.saturating_sub(self.travel_ms).saturating_sub(self.half_counter_ms)
    }

    /// When the food is at the door.
    pub fn at_door_ms(&self, job: &Job) -> i64 {
        self.arrival_ms.max(job.ready_at_ms).saturating_add(self.ride_ms)
    }
}
