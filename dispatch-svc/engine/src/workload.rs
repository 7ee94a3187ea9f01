//! What a rider has to do, including what the plan in the making gives them, and how they would do one job more.

use pannier_contracts::{Place, RiderId};

use crate::travel::{distance_m, travel_ms, way_ms};
use crate::{Delivery, Rider};

/// A delivery, with what every rider's price needs.
pub(crate) struct Job<'a> {
    pub delivery: &'a Delivery,
    /// Sorted.
    pub excluded: Vec<RiderId>,
    /// Sorted.
    pub offered_to: Vec<RiderId>,
    /// From the counter to the door, straight, metres.
    pub ride_m: f64,
}

impl<'a> Job<'a> {
    pub fn new(delivery: &'a Delivery) -> Self {
        let sorted = |riders: &[RiderId]| {
            let mut riders = riders.to_vec();
            riders.sort_unstable();
            riders
        };
        Self {
            delivery,
            excluded: sorted(&delivery.excluded),
            offered_to: sorted(&delivery.offered_to),
            ride_m: distance_m(&delivery.pickup, &delivery.dropoff),
        }
    }
}

/// A rider in the plan so far.
pub(crate) struct Workload<'a> {
    pub rider: &'a Rider,
    /// Orders and offers, those of this plan included.
    pub load: u32,
    /// When and where they are done with all of it.
    pub free_at_ms: i64,
    pub free_place: Place,
    /// How often this plan gave them something: a price made at another count is out of date.
    pub changes: u32,
}

/// How a rider would do a job after everything else they have.
pub(crate) struct Trip {
    /// From where they are free to the counter.
    pub travel_ms: i64,
    /// When they stand at the counter.
    pub arrival_ms: i64,
    /// From the counter to the door.
    pub ride_ms: i64,
}

impl<'a> Workload<'a> {
    pub fn new(rider: &'a Rider, now_ms: i64) -> Self {
        // `busy_until` knows more (waiting, doors, stairs), but nobody is done before having been everywhere.
        let mut free_at_ms = now_ms;
        let mut free_place = rider.place;
        for stop in &rider.stops {
            free_at_ms = free_at_ms.saturating_add(travel_ms(&free_place, stop, rider.speed_mps));
            free_place = *stop;
        }
        let free_at_ms = free_at_ms.max(rider.busy_until_ms);
        Self { rider, load: rider.load, free_at_ms, free_place, changes: 0 }
    }

    pub fn trip(&self, job: &Job) -> Trip {
        let travel_ms = travel_ms(&self.free_place, &job.delivery.pickup, self.rider.speed_mps);
        let arrival_ms = self.free_at_ms.saturating_add(travel_ms);
        Trip { travel_ms, arrival_ms, ride_ms: way_ms(job.ride_m, self.rider.speed_mps) }
    }

    /// The rider is asked; for the rest of this plan they count as having said yes.
    pub fn take(&mut self, job: &Job) {
        let trip = self.trip(job);
        self.load = self.load.saturating_add(1);
        self.changes += 1;
        self.free_at_ms = trip.at_door_ms(job);
        self.free_place = job.delivery.dropoff;
    }
}

impl Trip {
    /// When the food is at the door.
    pub fn at_door_ms(&self, job: &Job) -> i64 {
        self.arrival_ms.max(job.delivery.ready_at_ms).saturating_add(self.ride_ms)
    }
}
