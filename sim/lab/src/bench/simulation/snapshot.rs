//! What the engine is shown at a minute.

use pannier_contracts::zone::DispatchAlgorithm;
use pannier_engine::{self as engine, Snapshot};

use super::ids::{delivery_id, point, rider_id, shop_id};
use super::state::Simulation;
use super::tour::Tour;
use crate::bench::clock::MINUTE_MS;
use crate::bench::solution::Site;

/// Shifts are known in advance: couriers are planned for from this many minutes before their shift.
const SHIFT_LOOKAHEAD_MIN: i64 = 90;
/// Most orders that a courier has at once under the greedy policy, on board and accepted.
const GREEDY_CAPACITY: u32 = 2;

impl Simulation<'_> {
    pub fn snapshot(&mut self, now: i64) -> Snapshot {
        let instance = self.instance;
        let parameters = &instance.parameters;
        let deliveries = self
            .open
            .iter()
            .filter(|o| !self.couriers.iter().any(|c| c.fixed.contains(o)))
            .map(|order| {
                let o = &instance.orders[*order];
                let due = o.placement as f64 + parameters.target_click_to_door;
                engine::Delivery {
                    id: delivery_id(*order),
                    shop: shop_id(o.restaurant),
                    pickup: point(instance.restaurants[o.restaurant].at),
                    dropoff: point(o.at),
                    ready: self.ready(*order),
                    promise_at_ms: due as i64 * MINUTE_MS,
                    opened_at_ms: o.placement * MINUTE_MS,
                    excluded: self.disruptions.declined_by(*order),
                    offers_wanted: 1,
                    offered_to: Vec::new(),
                }
            })
            .collect();
        let riders: Vec<engine::Rider> = (0..self.couriers.len())
            .filter(|c| instance.couriers[*c].on <= now + SHIFT_LOOKAHEAD_MIN && now <= instance.couriers[*c].off)
            .map(|c| self.rider(c, now))
            .collect();
        let on_shift = instance.couriers.iter().filter(|c| c.on <= now && now <= c.off).count();
        let forecast = self.forecaster.forecast(now, on_shift);
        Snapshot {
            now_ms: now * MINUTE_MS,
            travel: engine::TravelModel {
                circuity_permille: 1_000,
                round_up_ms: MINUTE_MS,
                counter_ms: (parameters.pickup_service * MINUTE_MS as f64) as i64,
                door_ms: (parameters.dropoff_service * MINUTE_MS as f64) as i64,
            },
            deliveries,
            riders,
            forecast,
            previous: std::mem::take(&mut self.previous),
        }
    }

    fn rider(&self, courier: usize, now: i64) -> engine::Rider {
        let (shift, c) = (&self.instance.couriers[courier], &self.couriers[courier]);
        let place = point(c.site.unwrap_or(Site::Start).point(self.instance, courier));
        // Orders fixed at departure are not in the snapshot: the courier is free when they are expected to be
        // delivered.
        let (free_at, free_place, at_counter) = match c.fixed.last() {
            Some(last) => (self.expected_end(courier, now), point(self.instance.orders[*last].at), None),
            None => {
                let counter = match c.site {
                    Some(Site::Restaurant(r)) => Some(shop_id(r)),
                    _ => None,
                };
                (self.free_at(courier, now), place, counter)
            }
        };
        let load = (c.fixed.len() + c.queue.len()) as u32 + if c.free_at > now { c.carried } else { 0 };
        engine::Rider {
            id: rider_id(courier),
            place,
            fix_age_ms: 0,
            speed_mps: self.instance.parameters.metres_per_minute / 60.0,
            available: true,
            stale: self.disruptions.is_silent(courier, now),
            load,
            capacity: if self.policy.algorithm == DispatchAlgorithm::Greedy { GREEDY_CAPACITY } else { u32::MAX },
            free_at_ms: free_at * MINUTE_MS,
            free_place,
            at_counter,
            committed: c.queue.iter().map(|o| self.trip_of(*o)).collect(),
            shift_end_ms: shift.off * MINUTE_MS,
            idle_since_ms: c.idle_since * MINUTE_MS,
            acceptance_permille: 1_000,
            rating_permille: 1_000,
        }
    }

    fn trip_of(&self, order: usize) -> engine::Trip {
        engine::Trip { shop: shop_id(self.instance.orders[order].restaurant), deliveries: vec![delivery_id(order)] }
    }

    /// When a courier is free, as far as is known: without the rest of an unresponsive period that has not begun.
    fn free_at(&self, courier: usize, now: i64) -> i64 {
        let c = &self.couriers[courier];
        c.free_at - self.disruptions.unknown_delay(courier, c.silence_delay, now)
    }

    /// When a courier with fixed orders is free, as far as is known.
    fn expected_end(&self, courier: usize, now: i64) -> i64 {
        let c = &self.couriers[courier];
        let ready = c.fixed.iter().map(|o| self.ready(*o).mean_ms() / MINUTE_MS).max().unwrap_or(now);
        let pickup = (c.free_at + self.instance.parameters.half_pickup()).max(now).max(ready);
        Tour::new(self.instance, &c.fixed, pickup).end
    }
}
