//! Feasibility check of a solution. It relies on the instance only: positions and times are recomputed from the moves.
//!
//! It is stricter than the library's evaluator, which checks neither service times, nor placement times, nor when an
//! assignment became final.

mod rule;

pub use self::rule::{Rule, Violation};

use super::solution::{Assignment, Commit, CourierSchedule, DayOptions, Dropoff, Kitchen, Move, Site, Solution};
use pannier_instance::Instance;

/// All violations of a solution; empty when it is feasible.
#[must_use]
pub fn check(instance: &Instance, options: &DayOptions, solution: &Solution) -> Vec<Violation> {
    let mut check = Checker { instance, options, found: Vec::new() };
    check.indexes(solution);
    if check.found.is_empty() {
        solution.assignments.iter().for_each(|a| check.assignment(a));
        for schedule in solution.by_courier(instance) {
            check.moves(&schedule);
            check.schedule(&schedule);
        }
        if !options.reposition {
            check.empty_moves(solution);
        }
    }
    check.found
}

struct Checker<'a> {
    instance: &'a Instance,
    options: &'a DayOptions,
    found: Vec<Violation>,
}

impl Checker<'_> {
    fn add(&mut self, rule: Rule, courier: usize, order: Option<usize>, what: String) {
        let courier = self.instance.couriers.get(courier).map(|c| c.id.clone());
        let order = order.and_then(|n| self.instance.orders.get(n)).map(|o| o.id.clone());
        self.found.push(Violation { rule, courier, order, what });
    }

    fn require(&mut self, holds: bool, rule: Rule, courier: usize, order: usize, what: impl FnOnce() -> String) {
        if !holds {
            self.add(rule, courier, Some(order), what());
        }
    }

    /// All indexes are valid, no assignment is empty, no order is assigned twice. The other checks rely on this.
    fn indexes(&mut self, solution: &Solution) {
        let instance = self.instance;
        let mut times = vec![0; instance.orders.len()];
        for a in &solution.assignments {
            if a.courier >= instance.couriers.len() {
                self.add(Rule::Unknown, a.courier, None, format!("there is no courier number {}", a.courier));
            }
            if a.dropoffs.is_empty() {
                self.add(Rule::NoOrder, a.courier, None, format!("nothing is picked up at {}", a.pickup));
            }
            for dropoff in &a.dropoffs {
                match times.get_mut(dropoff.order) {
                    None => {
                        self.add(Rule::Unknown, a.courier, None, format!("there is no order number {}", dropoff.order));
                    }
                    Some(times) => {
                        *times += 1;
                        if *times == 2 {
                            self.add(Rule::Twice, a.courier, Some(dropoff.order), "delivered twice".into());
                        }
                    }
                }
            }
        }
        let exists = |site| match site {
            Site::Start => true,
            Site::Restaurant(n) => n < instance.restaurants.len(),
            Site::Order(n) => n < instance.orders.len(),
        };
        for m in &solution.moves {
            if m.courier >= instance.couriers.len() || !exists(m.from) || !exists(m.to) {
                self.add(Rule::Unknown, m.courier, None, format!("a move with an unknown courier or place: {m:?}"));
            }
        }
    }

    /// One assignment against its orders and its courier's shift.
    fn assignment(&mut self, a: &Assignment) {
        let instance = self.instance;
        let (courier, first) = (a.courier, a.dropoffs[0].order);
        for dropoff in &a.dropoffs {
            let order = &instance.orders[dropoff.order];
            self.require(
                order.restaurant == instance.orders[first].restaurant,
                Rule::TwoRestaurants,
                courier,
                dropoff.order,
                || format!("in one bundle with {}, from another restaurant", instance.orders[first].id),
            );
            self.require(a.assigned >= order.placement, Rule::Reveal, courier, dropoff.order, || {
                format!("assigned at {}, placed at {}", a.assigned, order.placement)
            });
            self.require(a.pickup >= order.ready, Rule::Ready, courier, dropoff.order, || {
                format!("picked up at {}, ready at {}", a.pickup, order.ready)
            });
        }
        self.require(a.pickup >= a.assigned, Rule::Final, courier, first, || {
            format!("picked up at {}, assigned at {}", a.pickup, a.assigned)
        });
        let off = instance.couriers[courier].off;
        self.require(a.pickup <= off, Rule::AfterShift, courier, first, || {
            format!("picked up at {}, the shift ended at {off}", a.pickup)
        });
    }

    /// The moves of one courier against each other and the shift.
    fn moves(&mut self, schedule: &CourierSchedule<'_>) {
        let mut last: Option<(&Move, i64)> = None;
        for m in schedule.moves.iter().copied() {
            let (from, since) = last.map_or((Site::Start, i64::MIN), |(last, arrival)| (last.to, arrival));
            if m.from != from {
                let (here, there) = (self.name(m.from), self.name(from));
                let what = format!("leaves {here} at {}, but was at {there}", m.departure);
                self.add(Rule::Continuity, m.courier, None, what);
            }
            if m.departure < since {
                let what = format!("leaves {} at {}, arrives there at {since}", self.name(m.from), m.departure);
                self.add(Rule::Diverted, m.courier, None, what);
            }
            let on = self.instance.couriers[m.courier].on;
            if m.departure < on {
                let what = format!("leaves at {}, the shift begins at {on}", m.departure);
                self.add(Rule::BeforeShift, m.courier, None, what);
            }
            last = Some((m, m.arrival(self.instance)));
        }
    }

    /// The moves of one courier against the assignments: to the restaurant, then to each customer in sequence.
    fn schedule(&mut self, schedule: &CourierSchedule<'_>) {
        let instance = self.instance;
        let (pickup_half, dropoff_half) = (instance.parameters.half_pickup(), instance.parameters.half_dropoff());
        let mut moves = schedule.moves.iter().copied().peekable();
        let mut last: Option<Dropoff> = None;
        for a in &schedule.assignments {
            let (courier, first) = (a.courier, a.dropoffs[0].order);
            let restaurant = instance.orders[first].restaurant;
            if let Some(Dropoff { order, at }) = last {
                self.require(a.pickup >= at + dropoff_half, Rule::OneAtATime, courier, first, || {
                    format!("picked up at {}, but {} was dropped off at {at}", a.pickup, instance.orders[order].id)
                });
            }
            let mut approach = None;
            while let Some(m) = moves.next_if(|m| !matches!(m.to, Site::Order(_))) {
                self.leaves_customer(m, last);
                approach = Some(m);
            }
            let Some(approach) = approach.filter(|m| m.to == Site::Restaurant(restaurant)) else {
                let place = approach.map(|m| m.to).or(last.map(|d| Site::Order(d.order)));
                let place = place.unwrap_or(Site::Start);
                let what = format!("picked up at {}, but they last went to {}", a.pickup, self.name(place));
                return self.add(Rule::WrongPlace, courier, Some(first), what);
            };
            let arrival = approach.arrival(instance);
            self.require(a.pickup >= arrival + pickup_half, Rule::PickupService, courier, first, || {
                format!("picked up at {}, arrived at {arrival}", a.pickup)
            });
            // With repositioning a courier may leave without an order and be assigned one later.
            let may_change = self.options.commit == Commit::Pickup || self.options.reposition;
            self.require(may_change || a.assigned <= approach.departure, Rule::Committed, courier, first, || {
                format!("final at {}, left for the restaurant at {}", a.assigned, approach.departure)
            });
            let mut previous = None;
            for dropoff in &a.dropoffs {
                let Some(m) = moves.next_if(|m| m.to == Site::Order(dropoff.order)) else {
                    let next = moves.peek().map_or_else(|| "nowhere".to_owned(), |m| self.name(m.to));
                    return self.add(Rule::Sequence, courier, Some(dropoff.order), format!("they go {next} instead"));
                };
                match previous {
                    None => self.require(
                        m.departure >= a.pickup + pickup_half,
                        Rule::LeavesRestaurant,
                        courier,
                        first,
                        || format!("left at {}, picked up at {}", m.departure, a.pickup),
                    ),
                    previous => self.leaves_customer(m, previous),
                }
                let arrival = m.arrival(instance);
                self.require(
                    dropoff.at >= arrival + dropoff_half,
                    Rule::DropoffService,
                    courier,
                    dropoff.order,
                    || format!("dropped off at {}, arrived at {arrival}", dropoff.at),
                );
                previous = Some(*dropoff);
            }
            last = previous;
        }
        for m in moves {
            self.leaves_customer(m, last);
            if !matches!(m.to, Site::Restaurant(_)) {
                let what = format!("goes to {} at {} without an order", self.name(m.to), m.departure);
                self.add(Rule::Sequence, m.courier, None, what);
            }
        }
    }

    /// A move that begins at a customer begins after the service there.
    fn leaves_customer(&mut self, m: &Move, dropoff: Option<Dropoff>) {
        let Some(Dropoff { order, at }) = dropoff else { return };
        let holds = m.departure >= at + self.instance.parameters.half_dropoff();
        self.require(holds, Rule::LeavesCustomer, m.courier, order, || {
            format!("dropped off at {at}, left at {}", m.departure)
        });
    }

    /// Without repositioning every move to a restaurant is for an order. With [`Commit::Pickup`] the order may have
    /// been given to another courier since: it is enough that an order of the restaurant was waiting at the departure.
    /// With [`Kitchen::Unknown`] the last move of a courier may be without a pickup.
    fn empty_moves(&mut self, solution: &Solution) {
        let instance = self.instance;
        let served = solution.by_order(instance);
        let mut waiting = vec![Vec::new(); instance.restaurants.len()];
        for (order, served) in instance.orders.iter().zip(&served) {
            waiting[order.restaurant].push((order.placement, served.map_or(i64::MAX, |(a, _)| a.pickup)));
        }
        for schedule in solution.by_courier(instance) {
            for (n, m) in schedule.moves.iter().enumerate() {
                let Site::Restaurant(restaurant) = m.to else { continue };
                let picks_up = matches!(schedule.moves.get(n + 1).map(|m| m.to), Some(Site::Order(_)));
                let for_order = match self.options.commit {
                    Commit::Departure => picks_up,
                    Commit::Pickup => {
                        waiting[restaurant].iter().any(|&(from, to)| from <= m.departure && m.departure < to)
                    }
                };
                // The food may have become ready only after the shift.
                let gave_up = self.options.kitchen == Kitchen::Unknown && n + 1 == schedule.moves.len();
                if !for_order && !gave_up {
                    let what = format!("left for {} at {} without an order", self.name(m.to), m.departure);
                    self.add(Rule::EmptyMove, m.courier, None, what);
                }
            }
        }
    }

    fn name(&self, site: Site) -> String {
        match site {
            Site::Start => "their start".into(),
            Site::Restaurant(n) => format!("restaurant {}", self.instance.restaurants[n].id),
            Site::Order(n) => format!("the customer of {}", self.instance.orders[n].id),
        }
    }
}

#[cfg(test)]
mod tests;
