//! What came out of a day: who carried what, when, and along which way.
//!
//! All times are whole minutes of the day; couriers, orders and restaurants are indexes into the vectors of the
//! [`Instance`].

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use pannier_instance::{Instance, Point};

/// How a day was worked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Solution {
    /// The assignments that were carried out, in any order.
    pub assignments: Vec<Assignment>,
    /// Every movement; in time order per courier. A courier who is already there does not move.
    pub moves: Vec<Move>,
}

/// One courier fetches orders from one restaurant and brings them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// When the set of orders became final.
    pub assigned: i64,
    /// When the courier has the food in hand; half a pickup service later they leave.
    pub pickup: i64,
    /// Who.
    pub courier: usize,
    /// The drop-offs, in sequence; at least one, all from one restaurant.
    pub drops: Vec<Drop>,
}

/// One order reaches its customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drop {
    /// Which order.
    pub order: usize,
    /// When the customer has it; half a drop-off service later the courier leaves.
    pub at: i64,
}

/// A courier goes from one place to another, without a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Who.
    pub courier: usize,
    /// When they leave; how long it takes follows from the places.
    pub departure: i64,
    /// From where.
    pub from: Site,
    /// Where to.
    pub to: Site,
}

/// A place where a courier can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Site {
    /// Where this courier's shift begins.
    Start,
    /// At a restaurant.
    Restaurant(usize),
    /// At the customer of an order.
    Order(usize),
}

impl Site {
    /// Where it is, for this courier.
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
    /// When they are there.
    #[must_use]
    pub fn arrival(&self, instance: &Instance) -> i64 {
        let (from, to) = (self.from.point(instance, self.courier), self.to.point(instance, self.courier));
        self.departure + instance.travel_minutes(from, to)
    }
}

/// What one courier did.
#[derive(Debug, Clone, Default)]
pub struct Work<'s> {
    /// In the order in which the solution has them.
    pub moves: Vec<&'s Move>,
    /// By pickup.
    pub assignments: Vec<&'s Assignment>,
}

impl Solution {
    /// The same, courier by courier, in the instance's order. What belongs to a courier that does not exist is left out.
    #[must_use]
    pub fn by_courier(&self, instance: &Instance) -> Vec<Work<'_>> {
        let mut works = vec![Work::default(); instance.couriers.len()];
        for step in &self.moves {
            if let Some(work) = works.get_mut(step.courier) {
                work.moves.push(step);
            }
        }
        for assignment in &self.assignments {
            if let Some(work) = works.get_mut(assignment.courier) {
                work.assignments.push(assignment);
            }
        }
        for work in &mut works {
            work.assignments.sort_by_key(|a| a.pickup);
        }
        works
    }

    /// The assignment of each order and its drop-off, in the instance's order; none for orders that nobody delivered.
    #[must_use]
    pub fn by_order(&self, instance: &Instance) -> Vec<Option<(&Assignment, Drop)>> {
        let mut of = vec![None; instance.orders.len()];
        for assignment in &self.assignments {
            for drop in &assignment.drops {
                if let Some(slot) = of.get_mut(drop.order) {
                    *slot = Some((assignment, *drop));
                }
            }
        }
        of
    }
}

/// A day as the driver hands it back.
#[derive(Debug, Clone, Default)]
pub struct Day {
    /// How it was worked.
    pub solution: Solution,
    /// What deciding took.
    pub decisions: Decisions,
    /// Explanations of the orders that took longest; may be empty.
    pub stories: Vec<Story>,
}

/// Wall time of the engine's calls.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Decisions {
    /// How many there were.
    pub count: u64,
    /// Milliseconds of the longest.
    pub worst_ms: f64,
    /// Seconds of all together.
    pub total_s: f64,
}

/// Why an order took as long as it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// Which order.
    pub order: usize,
    /// What happened to it, in the order in which it happened.
    pub sentences: Vec<String>,
}

/// What a run may do and know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DayOptions {
    /// Who decides.
    pub policy: PolicyName,
    /// Whether idle couriers may be sent to a restaurant without an order.
    #[serde(serialize_with = "on_or_off")]
    pub reposition: bool,
    /// When the orders of an assignment become final.
    pub commit: Commit,
    /// What is known about ready times.
    pub kitchen: Kitchen,
    /// Of whatever chance the engine uses.
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

/// An enum that is written as a lower-case word.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every word there is.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("must be one of {}", Self::WORDS.join(", "))),
                }
            }
        }
    };
}

words! {
    /// Which policy decides.
    PolicyName {
        /// The load-aware priority queue.
        Greedy = "greedy",
        /// Continuous re-optimisation over all known orders.
        Horizon = "horizon",
    }
}

words! {
    /// Until when the orders of an assignment may change.
    Commit {
        /// Until the food is in the courier's hand.
        Pickup = "pickup",
        /// Until the courier leaves for the restaurant.
        Departure = "departure",
    }
}

words! {
    /// What the engine knows about ready times.
    Kitchen {
        /// The ready time, from the customer's tap on.
        Known = "known",
        /// Nothing but what the restaurant usually needs, until the order is ready.
        Unknown = "unknown",
    }
}
