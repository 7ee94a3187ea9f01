//! Execution of the engine's plans.

use pannier_contracts::zone::DispatchAlgorithm;
use pannier_engine::{Plan, PlannedTrip};

use super::ids::index_of;
use super::state::Simulation;
use crate::bench::clock::MINUTE_MS;
use crate::bench::solution::{Commit, Site};

impl Simulation<'_> {
    pub fn execute(&mut self, plan: &Plan, now: i64) {
        if self.policy.algorithm == DispatchAlgorithm::Greedy {
            self.queue_offers(plan);
        }
        self.start_queued_trips(now);
        if self.policy.algorithm == DispatchAlgorithm::Horizon {
            for route in &plan.routes {
                if let Some(first) = route.trips.first() {
                    self.start_trip(index_of(route.rider.0), first, now);
                }
            }
        }
        for step in &plan.moves {
            self.move_to(index_of(step.rider.0), index_of(step.shop.0), now);
        }
    }

    /// The greedy policy's assignments are final: accepted orders are queued.
    fn queue_offers(&mut self, plan: &Plan) {
        for route in &plan.routes {
            let courier = index_of(route.rider.0);
            for order in route.trips.iter().flat_map(|t| &t.trip.deliveries).map(|d| index_of(d.0)) {
                if self.disruptions.accepts(courier, &[order]) {
                    self.couriers[courier].queue.push(order);
                }
            }
        }
    }

    fn start_queued_trips(&mut self, now: i64) {
        for courier in 0..self.couriers.len() {
            let c = &self.couriers[courier];
            let is_silent = self.disruptions.is_silent(courier, now);
            if c.fixed.is_empty() && c.free_at <= now && !c.queue.is_empty() && !is_silent {
                let order = self.couriers[courier].queue.remove(0);
                self.fix(courier, vec![order], now);
            }
        }
    }

    /// Starts the first trip of a planned route when it is due: the courier departs for the restaurant, or picks up.
    fn start_trip(&mut self, courier: usize, trip: &PlannedTrip, now: i64) {
        let c = &self.couriers[courier];
        if !c.fixed.is_empty() || c.free_at > now {
            return;
        }
        let restaurant = index_of(trip.trip.shop.0);
        let orders: Vec<usize> = trip.trip.deliveries.iter().map(|d| index_of(d.0)).collect();
        if c.site == Some(Site::Restaurant(restaurant)) {
            if trip.pickup_at_ms <= now * MINUTE_MS && self.disruptions.accepts(courier, &orders) {
                self.pick_up(courier, &orders, now, now);
            }
        } else if trip.leave_at_ms <= now * MINUTE_MS && self.disruptions.accepts(courier, &orders) {
            if self.options.commit == Commit::Departure {
                self.fix(courier, orders, now);
            } else {
                self.move_to(courier, restaurant, now);
                // Without travel and service time the food can be picked up in the same minute.
                if self.instance.parameters.half_pickup() == 0 && self.couriers[courier].free_at <= now {
                    self.start_trip(courier, trip, now);
                }
            }
        }
    }
}
