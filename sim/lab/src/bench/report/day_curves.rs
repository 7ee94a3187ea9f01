//! Counts of couriers by activity and of open orders, per minute.

use super::super::solution::{Assignment, Dropoff, Site, Solution};
use pannier_instance::{Instance, Order};

/// One count per minute, beginning with `first`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Curves {
    /// Minute of the day of the first count.
    pub first: i64,
    /// Couriers within their shift.
    pub on_shift: Vec<i64>,
    /// Couriers who travel or are in service at a restaurant or customer.
    pub busy: Vec<i64>,
    /// Couriers at a restaurant who wait for an order that is placed and that they pick up next.
    pub waiting: Vec<i64>,
    /// Orders that are placed and not picked up; undelivered ones until the end of the last shift.
    pub open: Vec<i64>,
}

/// The counts of a solution, which must have passed [`check`](super::super::check::check).
pub fn curves(instance: &Instance, solution: &Solution) -> Curves {
    let served = solution.by_order(instance);
    let dropoffs = solution.assignments.iter().flat_map(|a| &a.dropoffs).map(|d| d.at);
    let first = instance.first_minute();
    let last = dropoffs.max().unwrap_or(0).max(instance.last_off()).max(first) + 1;
    let counts = |spans: Vec<(i64, i64)>| {
        let mut counts = vec![0; (last - first) as usize];
        for (from, to) in spans {
            for minute in from.max(first)..to.min(last) {
                counts[(minute - first) as usize] += 1;
            }
        }
        counts
    };
    let (half_pickup, half_dropoff) = (instance.parameters.half_pickup(), instance.parameters.half_dropoff());
    let (mut busy, mut waiting) = (Vec::new(), Vec::new());
    for schedule in solution.by_courier(instance) {
        busy.extend(schedule.moves.iter().map(|m| (m.departure, m.arrival(instance))));
        for pair in schedule.moves.windows(2) {
            let Site::Order(next) = pair[1].to else { continue };
            let (Site::Restaurant(_), Some((assignment, _))) = (pair[0].to, served[next]) else { continue };
            let placed = assignment.dropoffs.iter().map(|d| instance.orders[d.order].placement).min();
            let since = pair[0].arrival(instance).max(placed.unwrap_or(0));
            waiting.push((since, assignment.pickup - half_pickup));
        }
        for assignment in schedule.assignments {
            busy.push((assignment.pickup - half_pickup, assignment.pickup + half_pickup));
            busy.extend(assignment.dropoffs.iter().map(|d| (d.at - half_dropoff, d.at + half_dropoff)));
        }
    }
    let open = |(order, served): (&Order, &Option<(&Assignment, Dropoff)>)| {
        (order.placement, served.map_or(instance.last_off(), |(assignment, _)| assignment.pickup))
    };
    Curves {
        first,
        on_shift: counts(instance.couriers.iter().map(|c| (c.on, c.off)).collect()),
        busy: counts(busy),
        waiting: counts(waiting),
        open: counts(instance.orders.iter().zip(&served).map(open).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{instance, solution};
    use super::*;

    #[test]
    fn the_example_minute_by_minute() {
        let curves = curves(&instance(), &solution());
        assert_eq!((curves.first, curves.on_shift.len()), (0, 61));
        let at =
            |minute: usize| (curves.on_shift[minute], curves.busy[minute], curves.waiting[minute], curves.open[minute]);
        // c1 leaves at 5 and c2 at 10. c1 is in service from 10. c2 has no order to wait for.
        assert_eq!((at(4), at(5), at(10), at(16)), ((2, 0, 0, 2), (2, 1, 0, 2), (2, 2, 0, 2), (2, 1, 0, 0)));
        // c2 is at r2 from 41 and picks up at 45, after half a service of two minutes.
        assert_eq!((at(40), at(41), at(43), at(47)), ((2, 1, 0, 1), (2, 0, 1, 1), (2, 1, 0, 1), (2, 1, 0, 0)));
        assert_eq!((at(59), at(60)), ((2, 0, 0, 1), (0, 0, 0, 0)));
    }
}
