//! The result of a simulated day: assignments and moves.
//!
//! All times are whole minutes of the day; couriers, orders and restaurants are indexes into the vectors of the
//! [`Instance`].

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use pannier_instance::{Instance, Point};

/// The assignments and moves of a day.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Solution {
    /// The completed assignments, in any order.
    pub assignments: Vec<Assignment>,
    /// All moves; in time order per courier. A courier who is already at the destination has no move.
    pub moves: Vec<Move>,
}

/// A bundle: one courier picks up orders at one restaurant and delivers them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// When the set of orders became final.
    pub assigned: i64,
    /// When the courier receives the food; half a pickup service before the departure.
    pub pickup: i64,
    /// Index of the courier.
    pub courier: usize,
    /// The drop-offs in sequence; at least one, all of one restaurant.
    pub dropoffs: Vec<Dropoff>,
}

/// The delivery of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropoff {
    /// Index of the order.
    pub order: usize,
    /// When the customer receives it; half a drop-off service before the departure.
    pub at: i64,
}

/// A courier travels from one site to another without a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Index of the courier.
    pub courier: usize,
    /// When the courier leaves; the duration follows from the sites.
    pub departure: i64,
    /// The origin.
    pub from: Site,
    /// The destination.
    pub to: Site,
}

/// A location where a courier can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Site {
    /// The start of this courier's shift.
    Start,
    /// A restaurant, by index.
    Restaurant(usize),
    /// The customer of an order, by the order's index.
    Order(usize),
}

impl Site {
    /// The coordinates; `courier` matters only for [`Site::Start`].
    #[must_use]
    pub fn point(self, instance: &Instance, courier: usize) -> Point {
        match self {
            Self::Start => instance.couriers[courier].at,
            Self::Restaurant(restaurant) => instance.restaurants[restaurant].at,
            Self::Order(order) => instance.orders[order].at,
        }
    }
}

impl Move {
    /// Departure plus travel time.
    #[must_use]
    pub fn arrival(&self, instance: &Instance) -> i64 {
        let (from, to) = (self.from.point(instance, self.courier), self.to.point(instance, self.courier));
        self.departure + instance.travel_minutes(from, to)
    }
}

/// The moves and assignments of one courier.
#[derive(Debug, Clone, Default)]
pub struct CourierSchedule<'s> {
    /// In the order of the solution.
    pub moves: Vec<&'s Move>,
    /// By pickup.
    pub assignments: Vec<&'s Assignment>,
}

impl Solution {
    /// One schedule per courier of the instance. Entries with an unknown courier are left out.
    #[must_use]
    pub fn by_courier(&self, instance: &Instance) -> Vec<CourierSchedule<'_>> {
        let mut schedules = vec![CourierSchedule::default(); instance.couriers.len()];
        for step in &self.moves {
            if let Some(schedule) = schedules.get_mut(step.courier) {
                schedule.moves.push(step);
            }
        }
        for assignment in &self.assignments {
            if let Some(schedule) = schedules.get_mut(assignment.courier) {
                schedule.assignments.push(assignment);
            }
        }
        for schedule in &mut schedules {
            schedule.assignments.sort_by_key(|a| a.pickup);
        }
        schedules
    }

    /// Assignment and drop-off of each order of the instance; `None` for undelivered orders.
    #[must_use]
    pub fn by_order(&self, instance: &Instance) -> Vec<Option<(&Assignment, Dropoff)>> {
        let mut of = vec![None; instance.orders.len()];
        for assignment in &self.assignments {
            for dropoff in &assignment.dropoffs {
                if let Some(slot) = of.get_mut(dropoff.order) {
                    *slot = Some((assignment, *dropoff));
                }
            }
        }
        of
    }
}

/// The result of a simulated day.
#[derive(Debug, Clone, Default)]
pub struct DayResult {
    /// Assignments and moves.
    pub solution: Solution,
    /// Wall time of the engine's decisions.
    pub decisions: DecisionTimes,
    /// Explanations of the orders with the largest delay; filled by [`explain`](super::explain) only.
    pub explanations: Vec<Explanation>,
}

/// Wall time of the engine's calls, one per simulated minute.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DecisionTimes {
    /// Number of calls.
    pub count: u64,
    /// The longest call, milliseconds.
    pub worst_ms: f64,
    /// All calls together, seconds.
    pub total_s: f64,
}

/// Why an order took as long as it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Index of the order.
    pub order: usize,
    /// What was planned for the order and why, in time order.
    pub sentences: Vec<String>,
}

/// The variant of the problem that a run solves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DayOptions {
    /// The policy that decides.
    pub policy: PolicyName,
    /// Whether idle couriers may be sent to a restaurant without an order.
    #[serde(serialize_with = "on_or_off")]
    pub reposition: bool,
    /// When the orders of an assignment become final.
    pub commit: Commit,
    /// Whether ready times are known in advance.
    pub kitchen: Kitchen,
    /// Seed of the engine's random choices.
    pub seed: u64,
}

impl Default for DayOptions {
    fn default() -> Self {
        Self { policy: PolicyName::Horizon, reposition: true, commit: Commit::Pickup, kitchen: Kitchen::Known, seed: 1 }
    }
}

fn on_or_off<S: serde::Serializer>(on: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *on { "on" } else { "off" })
}

/// An enum without data, serialised, printed and parsed as its lower-case name.
macro_rules! named_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $variant_name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// All names, in the order of the variants.
            pub const NAMES: &'static [&'static str] = &[$($variant_name),+];

            /// The lower-case name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $variant_name),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($variant_name => Ok(Self::$variant),)+
                    _ => Err(format!("must be one of {}", Self::NAMES.join(", "))),
                }
            }
        }
    };
}

named_enum! {
    /// A dispatch policy of the engine.
    PolicyName {
        /// Greedy assignment from a load-aware priority queue.
        Greedy = "greedy",
        /// Rolling horizon: optimises over all known orders every minute.
        Horizon = "horizon",
    }
}

named_enum! {
    /// Until when the orders of an assignment may change.
    Commit {
        /// Until the courier picks up the food.
        Pickup = "pickup",
        /// Until the courier leaves for the restaurant.
        Departure = "departure",
    }
}

named_enum! {
    /// What the engine knows about ready times in advance.
    Kitchen {
        /// The ready time, from the placement on.
        Known = "known",
        /// Only the restaurant's mean preparation time, until the order is ready.
        Unknown = "unknown",
    }
}
