//! Effects of disruptions on the state of a day.

use super::ids::index_of;
use super::state::Simulation;
use crate::bench::solution::{Kitchen, Site};

impl Simulation<'_> {
    /// Applies the disruptions of a courier at the start of a minute.
    pub fn apply_disruptions(&mut self, courier: usize, now: i64) {
        let is_over = now > self.instance.couriers[courier].off;
        if self.disruptions.start_silence(courier, now) {
            self.fix_planned_trip(courier, now);
        }
        // With known ready times and no disruption, an accepted order is always picked up before the shift ends.
        let may_be_late = self.options.kitchen == Kitchen::Unknown || !self.disruptions.disruptions.is_empty();
        if self.disruptions.is_timed_out(courier, now) || (is_over && may_be_late) {
            let c = &mut self.couriers[courier];
            let mut orders = std::mem::take(&mut c.fixed);
            orders.append(&mut c.queue);
            if !orders.is_empty() {
                self.disruptions.withdraw(courier, &orders);
            }
        }
    }

    /// A courier who stops responding at a restaurant, or on the way to it, keeps the planned orders until the
    /// time-out.
    fn fix_planned_trip(&mut self, courier: usize, now: i64) {
        let c = &mut self.couriers[courier];
        let Some(Site::Restaurant(counter)) = c.site.filter(|_| c.fixed.is_empty()) else { return };
        let route = self.previous.iter().find(|r| index_of(r.rider.0) == courier);
        let Some(trip) = route.and_then(|r| r.trips.first()).filter(|t| index_of(t.shop.0) == counter) else { return };
        let orders: Vec<usize> = trip.deliveries.iter().map(|d| index_of(d.0)).collect();
        if orders.iter().all(|o| self.open.contains(o)) {
            (c.fixed, c.fixed_at) = (orders, now);
        }
    }

    /// At the announced ready time of a delayed order the kitchen announces the true one.
    pub fn announce_delays(&mut self, now: i64) {
        if self.options.kitchen == Kitchen::Unknown {
            return;
        }
        let due = self.disruptions.disruptions.announced_ready.iter().filter(|(_, announced)| **announced == now);
        for (order, _) in due {
            self.announced.to_mut().orders[*order].ready = self.instance.orders[*order].ready;
        }
    }
}
