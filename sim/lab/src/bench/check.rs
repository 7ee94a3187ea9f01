//! Whether a solution keeps every rule of the problem. It trusts nothing but the instance: who is where, and when, is
//! followed anew from the moves.
//!
//! Stricter than the library's own evaluator, which does not look at service times, at what was known when, or at when
//! an assignment became final.

use std::fmt;

use super::solution::{Assignment, Commit, DayOptions, Kitchen, Move, Site, Solution, Work};
use pannier_instance::Instance;

/// Which rule was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Something is named that the instance does not have.
    Unknown,
    /// An assignment without an order.
    NoOrder,
    /// An order is carried out twice.
    Twice,
    /// A bundle has orders of two restaurants.
    TwoRestaurants,
    /// Assigned before the order was placed.
    Reveal,
    /// Picked up before the food was ready.
    Ready,
    /// Picked up before the assignment became final.
    Final,
    /// Picked up less than half a service after the arrival at the restaurant.
    PickupService,
    /// Left less than half a service after the pickup.
    LeavesRestaurant,
    /// Picked up somewhere else than at the restaurant.
    WrongPlace,
    /// Dropped off less than half a service after the arrival at the customer.
    DropoffService,
    /// Left less than half a service after the drop-off.
    LeavesCustomer,
    /// The moves do not follow the assignments' drop-offs one after another.
    Sequence,
    /// The next assignment began before the last one was done.
    OneAtATime,
    /// A move begins where the last one did not end.
    Continuity,
    /// A move begins before the last one ended.
    Diverted,
    /// A move begins before the shift.
    BeforeShift,
    /// A pickup after the shift.
    AfterShift,
    /// The orders of an assignment became final after the courier had left for them.
    Committed,
    /// A courier moved to a restaurant without an order, though nobody may.
    EmptyMove,
}

impl Rule {
    /// What the rule demands.
    #[must_use]
    pub fn demand(self) -> &'static str {
        match self {
            Self::Unknown => "everything named is in the instance",
            Self::NoOrder => "an assignment has an order",
            Self::Twice => "an order is in one assignment only",
            Self::TwoRestaurants => "one restaurant per assignment",
            Self::Reveal => "no assignment before the order's placement",
            Self::Ready => "no pickup before the food is ready",
            Self::Final => "no pickup before the final assignment",
            Self::PickupService => "half a service between arrival and pickup",
            Self::LeavesRestaurant => "half a service between pickup and departure",
            Self::WrongPlace => "pickups at the restaurant",
            Self::DropoffService => "half a service between arrival and drop-off",
            Self::LeavesCustomer => "half a service between drop-off and departure",
            Self::Sequence => "drop-offs in the assignment's sequence",
            Self::OneAtATime => "one assignment at a time",
            Self::Continuity => "a move begins where the last one ended",
            Self::Diverted => "no move begins before the last one has ended",
            Self::BeforeShift => "no move before the shift",
            Self::AfterShift => "no pickup after the shift",
            Self::Committed => "orders final before the courier leaves for the restaurant",
            Self::EmptyMove => "no move to a restaurant without an order",
        }
    }
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// The courier's name, when it is about one.
    pub courier: Option<String>,
    /// The order's name, when it is about one.
    pub order: Option<String>,
    /// What happened instead.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(courier) = &self.courier {
            write!(f, "courier {courier}, ")?;
        }
        if let Some(order) = &self.order {
            write!(f, "order {order}, ")?;
        }
        write!(f, "{} (rule: {})", self.what, self.rule.demand())
    }
}

/// Everything that is wrong with a solution; nothing when it is feasible.
#[must_use]
pub fn check(instance: &Instance, options: &DayOptions, solution: &Solution) -> Vec<Violation> {
    let mut check = Check { instance, options, found: Vec::new() };
    check.names(solution);
    if check.found.is_empty() {
        solution.assignments.iter().for_each(|a| check.assignment(a));
        for work in solution.by_courier(instance) {
            check.ways(&work);
            check.work(&work);
        }
        if !options.reposition {
            check.empty_moves(solution);
        }
    }
    check.found
}

struct Check<'a> {
    instance: &'a Instance,
    options: &'a DayOptions,
    found: Vec<Violation>,
}

impl Check<'_> {
    fn add(&mut self, rule: Rule, courier: usize, order: Option<usize>, what: String) {
        let courier = self.instance.couriers.get(courier).map(|c| c.id.clone());
        let order = order.and_then(|n| self.instance.orders.get(n)).map(|o| o.id.clone());
        self.found.push(Violation { rule, courier, order, what });
    }

    fn demand(&mut self, holds: bool, rule: Rule, courier: usize, order: usize, what: impl FnOnce() -> String) {
        if !holds {
            self.add(rule, courier, Some(order), what());
        }
    }

    /// Every index is one, every assignment has an order, every order one assignment: the rest relies on it.
    fn names(&mut self, solution: &Solution) {
        let instance = self.instance;
        let mut times = vec![0; instance.orders.len()];
        for a in &solution.assignments {
            if a.courier >= instance.couriers.len() {
                self.add(Rule::Unknown, a.courier, None, format!("there is no courier number {}", a.courier));
            }
            if a.drops.is_empty() {
                self.add(Rule::NoOrder, a.courier, None, format!("nothing is picked up at {}", a.pickup));
            }
            for drop in &a.drops {
                match times.get_mut(drop.order) {
                    None => {
                        self.add(Rule::Unknown, a.courier, None, format!("there is no order number {}", drop.order));
                    }
                    Some(times) => {
                        *times += 1;
                        if *times == 2 {
                            self.add(Rule::Twice, a.courier, Some(drop.order), "delivered twice".into());
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

    /// What an assignment says about itself.
    fn assignment(&mut self, a: &Assignment) {
        let instance = self.instance;
        let (courier, first) = (a.courier, a.drops[0].order);
        for drop in &a.drops {
            let order = &instance.orders[drop.order];
            self.demand(
                order.restaurant == instance.orders[first].restaurant,
                Rule::TwoRestaurants,
                courier,
                drop.order,
                || format!("in one bundle with {}, from another restaurant", instance.orders[first].id),
            );
            self.demand(a.assigned >= order.placement, Rule::Reveal, courier, drop.order, || {
                format!("assigned at {}, placed at {}", a.assigned, order.placement)
            });
            self.demand(a.pickup >= order.ready, Rule::Ready, courier, drop.order, || {
                format!("picked up at {}, ready at {}", a.pickup, order.ready)
            });
        }
        self.demand(a.pickup >= a.assigned, Rule::Final, courier, first, || {
            format!("picked up at {}, assigned at {}", a.pickup, a.assigned)
        });
        let off = instance.couriers[courier].off;
        self.demand(a.pickup <= off, Rule::AfterShift, courier, first, || {
            format!("picked up at {}, the shift ended at {off}", a.pickup)
        });
    }

    /// A courier's moves among themselves.
    fn ways(&mut self, work: &Work<'_>) {
        let mut last: Option<(&Move, i64)> = None;
        for m in work.moves.iter().copied() {
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

    /// A courier's moves against their assignments: to the restaurant, then to each customer, one after another.
    fn work(&mut self, work: &Work<'_>) {
        let instance = self.instance;
        let (pickup_half, dropoff_half) = (instance.parameters.half_pickup(), instance.parameters.half_dropoff());
        let mut moves = work.moves.iter().copied().peekable();
        let mut done: Option<(usize, i64)> = None;
        for a in &work.assignments {
            let (courier, first) = (a.courier, a.drops[0].order);
            let restaurant = instance.orders[first].restaurant;
            if let Some((order, at)) = done {
                self.demand(a.pickup >= at + dropoff_half, Rule::OneAtATime, courier, first, || {
                    format!("picked up at {}, but {} was dropped off at {at}", a.pickup, instance.orders[order].id)
                });
            }
            let mut brought = None;
            while let Some(m) = moves.next_if(|m| !matches!(m.to, Site::Order(_))) {
                self.leaves_customer(m, done);
                brought = Some(m);
            }
            let Some(brought) = brought.filter(|m| m.to == Site::Restaurant(restaurant)) else {
                let place = brought.map(|m| m.to).or(done.map(|(order, _)| Site::Order(order)));
                let place = place.unwrap_or(Site::Start);
                let what = format!("picked up at {}, but they last went to {}", a.pickup, self.name(place));
                return self.add(Rule::WrongPlace, courier, Some(first), what);
            };
            let arrival = brought.arrival(instance);
            self.demand(a.pickup >= arrival + pickup_half, Rule::PickupService, courier, first, || {
                format!("picked up at {}, arrived at {arrival}", a.pickup)
            });
            // With repositioning the courier may have left without an order, and been given one on the way or there.
            let fixed = self.options.commit == Commit::Pickup || self.options.reposition;
            self.demand(fixed || a.assigned <= brought.departure, Rule::Committed, courier, first, || {
                format!("final at {}, left for the restaurant at {}", a.assigned, brought.departure)
            });
            let mut carrying = None;
            for drop in &a.drops {
                let Some(m) = moves.next_if(|m| m.to == Site::Order(drop.order)) else {
                    let next = moves.peek().map_or_else(|| "nowhere".to_owned(), |m| self.name(m.to));
                    return self.add(Rule::Sequence, courier, Some(drop.order), format!("they go {next} instead"));
                };
                match carrying {
                    None => self.demand(
                        m.departure >= a.pickup + pickup_half,
                        Rule::LeavesRestaurant,
                        courier,
                        first,
                        || format!("left at {}, picked up at {}", m.departure, a.pickup),
                    ),
                    done => self.leaves_customer(m, done),
                }
                let arrival = m.arrival(instance);
                self.demand(drop.at >= arrival + dropoff_half, Rule::DropoffService, courier, drop.order, || {
                    format!("dropped off at {}, arrived at {arrival}", drop.at)
                });
                carrying = Some((drop.order, drop.at));
            }
            done = carrying;
        }
        for m in moves {
            self.leaves_customer(m, done);
            if !matches!(m.to, Site::Restaurant(_)) {
                let what = format!("goes to {} at {} without an order", self.name(m.to), m.departure);
                self.add(Rule::Sequence, m.courier, None, what);
            }
        }
    }

    fn leaves_customer(&mut self, m: &Move, done: Option<(usize, i64)>) {
        let Some((order, at)) = done else { return };
        let holds = m.departure >= at + self.instance.parameters.half_dropoff();
        self.demand(holds, Rule::LeavesCustomer, m.courier, order, || {
            format!("dropped off at {at}, left at {}", m.departure)
        });
    }

    /// Nobody repositions: every move to a restaurant is for an order; where kitchens are unknown, a courier's last one may
    /// have been in vain. When the orders are open until the pickup, what
    /// it was for may have changed since; then some known order must have been there to fetch.
    fn empty_moves(&mut self, solution: &Solution) {
        let instance = self.instance;
        let served = solution.by_order(instance);
        let mut of = vec![Vec::new(); instance.restaurants.len()];
        for (order, served) in instance.orders.iter().zip(&served) {
            of[order.restaurant].push((order.placement, served.map_or(i64::MAX, |(a, _)| a.pickup)));
        }
        for work in solution.by_courier(instance) {
            for (n, m) in work.moves.iter().enumerate() {
                let Site::Restaurant(restaurant) = m.to else { continue };
                let fetches = matches!(work.moves.get(n + 1).map(|m| m.to), Some(Site::Order(_)));
                let for_order = match self.options.commit {
                    Commit::Departure => fetches,
                    Commit::Pickup => of[restaurant].iter().any(|&(from, to)| from <= m.departure && m.departure < to),
                };
                // Nobody could know that the food would not be ready before the end of the shift.
                let gave_up = self.options.kitchen == Kitchen::Unknown && n + 1 == work.moves.len();
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
