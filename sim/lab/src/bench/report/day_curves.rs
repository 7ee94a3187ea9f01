//! A day minute by minute: how many couriers do what, how many orders are open.

use super::super::solution::{Site, Solution};
use pannier_instance::Instance;

/// Counts of each minute from `first` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Curves {
    /// The minute of the first count.
    pub first: i64,
    /// Couriers within their shift.
    pub on_shift: Vec<i64>,
    /// Couriers who move or serve at a counter or a door.
    pub busy: Vec<i64>,
    /// Couriers at a restaurant whose food, already ordered, they will be given next.
    pub waiting: Vec<i64>,
    /// Orders that are placed and not picked up; those that nobody brought, until the last courier goes home.
    pub open: Vec<i64>,
}

/// Follows a solution that has passed the check.
pub fn curves(instance: &Instance, solution: &Solution) -> Curves {
    let served = solution.by_order(instance);
    let drops = solution.assignments.iter().flat_map(|a| &a.drops).map(|drop| drop.at);
    let first = instance.first_minute();
    let last = drops.max().unwrap_or(0).max(instance.last_off()).max(first) + 1;
    let counts = |spans: Vec<(i64, i64)>| {
        let mut counts = vec![0; (last - first) as usize];
        for (from, to) in spans {
            for minute in from.max(first)..to.min(last) {
                counts[(minute - first) as usize] += 1;
            }
        }
        counts
    };
    let (counter, door) = (instance.parameters.half_pickup(), instance.parameters.half_dropoff());
    let (mut busy, mut waiting) = (Vec::new(), Vec::new());
    for work in solution.by_courier(instance) {
        busy.extend(work.moves.iter().map(|m| (m.departure, m.arrival(instance))));
        for pair in work.moves.windows(2) {
            let Site::Order(next) = pair[1].to else { continue };
            let (Site::Restaurant(_), Some((assignment, _))) = (pair[0].to, served[next]) else { continue };
            let placed = assignment.drops.iter().map(|drop| instance.orders[drop.order].placement).min();
            let since = pair[0].arrival(instance).max(placed.unwrap_or(0));
            waiting.push((since, assignment.pickup - counter));
        }
        for assignment in work.assignments {
            busy.push((assignment.pickup - counter, assignment.pickup + counter));
            busy.extend(assignment.drops.iter().map(|drop| (drop.at - door, drop.at + door)));
        }
    }
    let open = |(order, served): (&pannier_instance::Order, &Option<(&super::super::solution::Assignment, _)>)| {
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
    use super::super::super::example::{instance, solution};
    use super::*;

    #[test]
    fn the_example_minute_by_minute() {
        let curves = curves(&instance(), &solution());
        assert_eq!((curves.first, curves.on_shift.len()), (0, 61));
        let at =
            |minute: usize| (curves.on_shift[minute], curves.busy[minute], curves.waiting[minute], curves.open[minute]);
        // c1 leaves at 5, c2 at 10; c1 serves at the counter from 10 on, c2 waits for nothing.
        assert_eq!((at(4), at(5), at(10), at(16)), ((2, 0, 0, 2), (2, 1, 0, 2), (2, 2, 0, 2), (2, 1, 0, 0)));
        // c2 is at r2 from 41 on and gets its food at 45; half a service of two minutes comes before.
        assert_eq!((at(40), at(41), at(43), at(47)), ((2, 1, 0, 1), (2, 0, 1, 1), (2, 1, 0, 1), (2, 1, 0, 0)));
        assert_eq!((at(59), at(60)), ((2, 0, 0, 1), (0, 0, 0, 0)));
    }
}
