//! How do we weigh? The limits and prices of a zone.

use pannier_contracts::{text_enum, zone};
use serde::{Deserialize, Serialize};

/// The version of the rules and of the weights that [`Policy::of_zone`] gives; it grows when either changes.
pub const POLICY_VERSION: u32 = 3;

/// A rider silent for longer gets no offers, milliseconds. A property of riders' apps, so no zone changes it.
pub const MAX_FIX_AGE_MS: i64 = 60_000;

text_enum! {
    /// Which algorithm makes the plan.
    pub enum Kind {
        /// One delivery after the other, the cheapest pair first, for now only: `greedy.rs`.
        Greedy => "greedy",
        /// Routes for all riders over all known deliveries, improved by search: `horizon/`.
        Horizon => "horizon",
    }
}

/// The limits and weights under which a plan is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Which rules and weights these are: rounds keep it, so that old decisions can be understood.
    pub version: u32,
    /// How long before `ready_at` a rider is looked for, milliseconds.
    pub search_lead_ms: i64,
    /// Who would wait longer than this at the counter is not asked yet, milliseconds.
    pub hold_ms: i64,
    /// How long after `ready_at` nobody is asked any more, milliseconds.
    pub give_up_ms: i64,
    /// Riders whose fix is further from the shop than this are not asked, metres.
    pub radius_m: u32,
    /// Riders whose fix is older than this are not asked, milliseconds.
    pub max_fix_age_ms: i64,
    /// Which algorithm.
    pub kind: Kind,
    /// How long a minute of this city takes, milliseconds: 60,000 but in a compressed one.
    pub minute_ms: i64,
    /// How many candidates a decision lists. A city has thousands of riders, and nobody reads past the nearest few.
    pub candidates_listed: u32,
    /// What things cost.
    pub weights: Weights,
    /// How `horizon` works.
    pub horizon: Horizon,
    /// Where idle riders wait.
    pub reposition: Reposition,
    /// Where the search's dice start.
    pub seed: u64,
}

/// How `horizon` works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// How many riders are looked at per delivery: those who could be there first.
    pub candidates: u32,
    /// Steps of the search per open delivery.
    pub steps_per_delivery: u32,
    /// The most steps of one plan.
    pub steps_most: u32,
    /// The most deliveries of one trip; a rider's capacity also counts.
    pub bundle_most: u32,
    /// Where the ready time is uncertain, a rider means to be there so long before the first of its moments, minutes of
    /// the city.
    pub be_there_early_min: i64,
    /// A minute after the promise costs so much more, thousandths.
    pub late_permille: i64,
    /// A minute of a rider's motion and service, thousandths.
    pub busy_permille: i64,
    /// What the next orders lose while a rider is busy, thousandths: see `reposition.rs`.
    pub absence_permille: i64,
    /// So long before a rider has to leave they are asked, milliseconds: answering takes time.
    pub offer_lead_ms: i64,
    /// What the end of a plan is worth.
    pub end: EndWeights,
}

/// What the end of a plan is worth, at most: see `horizon/value.rs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndWeights {
    /// How long one order keeps a rider, minutes of the city.
    pub order_takes_min: u32,
    /// γ: the way from the last stop to the shops, thousandths.
    pub place_permille: i64,
    /// κ: the time until a rider is free, thousandths.
    pub time_permille: i64,
}

impl Default for Horizon {
    fn default() -> Self {
        Self {
            candidates: 40,
            steps_per_delivery: 15,
            steps_most: 1_000,
            bundle_most: 2,
            be_there_early_min: 0,
            late_permille: 300,
            busy_permille: 20,
            absence_permille: 100,
            offer_lead_ms: 0,
            end: EndWeights { order_takes_min: 25, place_permille: 200, time_permille: 500 },
        }
    }
}

/// Where idle riders wait: see `reposition.rs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reposition {
    /// Are they to move at all?
    pub on: bool,
    /// The orders of so many minutes of the city count.
    pub ahead_min: u32,
    /// How much being near counts in itself, thousandths; the rest counts what is expected to be late.
    pub near_permille: i64,
    /// What those must save by a move, at least, milliseconds. This is the dial: higher, fewer moves.
    pub least_gain_ms: i64,
    /// What a minute of an empty ride costs, thousandths.
    pub way_permille: i64,
    /// Nobody is sent further than this, minutes of the city.
    pub way_most_min: u32,
    /// A longer way is gone in hops of at most so many minutes of the city: who is under way cannot be asked.
    pub hop_most_min: u32,
    /// Riders whose shift ends within so many minutes of the city do not count as waiting for the next orders.
    pub shift_left_min: i64,
    /// The most moves of one plan.
    pub moves_most: u32,
}

impl Default for Reposition {
    fn default() -> Self {
        Self {
            on: false,
            ahead_min: 30,
            near_permille: 1_000,
            least_gain_ms: 60_000,
            way_permille: 20,
            way_most_min: 30,
            hop_most_min: 5,
            shift_left_min: 10,
            moves_most: 8,
        }
    }
}

/// What things cost. `…_permille` multiplies a time (1,000: a minute counts as a minute);
/// `…_ms` is a price, milliseconds of somebody's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// The way to the shop, per time.
    pub travel_permille: i64,
    /// The rider waiting at the counter, per time. Below `travel_permille`, or of two riders who are both early
    /// the further one would do as well.
    pub rider_wait_permille: i64,
    /// The food waiting at the counter, per time.
    pub food_wait_permille: i64,
    /// Arriving after the promise, per time.
    pub lateness_permille: i64,
    /// The way to the shop once more for a rider who carries something, per time.
    pub detour_permille: i64,
    /// What a delivery gains on others while its food waits, per time. Above `food_wait_permille + lateness_permille`,
    /// or what is late would cost ever more and be served last.
    pub overdue_permille: i64,
    /// What a delivery gains on others for being older, per time.
    pub age_permille: i64,
    /// What a rider gains on others while idle, per time.
    pub fairness_permille: i64,
    /// The longest idle time that counts, milliseconds.
    pub fairness_cap_ms: i64,
    /// Each order that the rider already has, milliseconds.
    pub load_ms: i64,
    /// Waiting for a rider who fits only later, milliseconds: they may be gone by then.
    pub later_ms: i64,
    /// A declined offer, milliseconds: the price of asking somebody who never accepts.
    pub decline_ms: i64,
    /// The worst rating against the best, milliseconds.
    pub rating_ms: i64,
}

impl Weights {
    /// The weights of a zone. Prices are counted in minutes of the city, so a city at thirty times the speed decides alike.
    fn of_zone(policy: &zone::Policy) -> Self {
        Self {
            travel_permille: 400,
            rider_wait_permille: 200,
            food_wait_permille: 1_000,
            lateness_permille: 1_000,
            detour_permille: 200,
            overdue_permille: 2_500,
            age_permille: 50,
            fairness_permille: 100,
            fairness_cap_ms: policy.hold_ms,
            load_ms: 3 * policy.minute_ms,
            later_ms: policy.minute_ms,
            decline_ms: policy.minute_ms,
            rating_ms: policy.minute_ms / 2,
        }
    }
}

impl Policy {
    /// The policy that a zone's settings amount to.
    #[must_use]
    pub fn of_zone(policy: &zone::Policy) -> Self {
        Self {
            version: POLICY_VERSION,
            search_lead_ms: policy.search_lead_ms,
            hold_ms: policy.hold_ms,
            give_up_ms: policy.give_up_ms,
            radius_m: policy.radius_m,
            max_fix_age_ms: MAX_FIX_AGE_MS,
            kind: Kind::Horizon,
            minute_ms: policy.minute_ms,
            candidates_listed: 50,
            weights: Weights::of_zone(policy),
            horizon: Horizon::default(),
            reposition: Reposition { least_gain_ms: policy.minute_ms, ..Reposition::default() },
            seed: 0,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::of_zone(&zone::Policy::default())
    }
}
