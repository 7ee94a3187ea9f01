//! The settings of a plan: limits, weights and budgets, each with its unit.

use pannier_contracts::zone::{self, DispatchAlgorithm};
use serde::{Deserialize, Serialize};

/// The version of the rules and of the weights that [`Policy::of_zone`] gives. Stored rounds keep it. Count it up when
/// either changes.
pub const POLICY_VERSION: u32 = 3;

/// A rider who has been silent for longer gets no offers, milliseconds. It depends on riders' apps and not on the city,
/// so no zone changes it and no simulated city compresses it.
pub const MAX_FIX_AGE_MS: i64 = 60_000;

/// The settings of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The version of rules and weights: see [`POLICY_VERSION`].
    pub version: u32,
    /// How long before the ready time offers may begin, milliseconds.
    pub search_lead_ms: i64,
    /// Under `greedy`, a rider who would wait longer than this at the counter gets no offer yet, milliseconds.
    pub hold_ms: i64,
    /// How long after the ready time offers end, milliseconds.
    pub give_up_ms: i64,
    /// Riders whose position is further from the shop than this get no offer, metres.
    pub radius_m: u32,
    /// Riders whose position is older than this get no offer, milliseconds.
    pub max_fix_age_ms: i64,
    /// The algorithm that makes the plan.
    pub algorithm: DispatchAlgorithm,
    /// How long a minute of the city takes, milliseconds: 60,000, or less in a simulated city that runs faster.
    pub minute_ms: i64,
    /// How many candidates a decision lists at most. With 0, none is listed and pricing them is saved.
    pub candidates_listed: u32,
    /// Weights and prices of the terms that both algorithms have, and of those that only `greedy` has.
    pub weights: Weights,
    /// The settings of `horizon`.
    pub horizon: Horizon,
    /// The settings of repositioning.
    pub reposition: Reposition,
    /// The seed of the search's random numbers.
    pub seed: u64,
}

/// The settings of the algorithm `horizon`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// How many riders are priced per delivery: those who could be at the counter first.
    pub candidates: u32,
    /// Steps of the search per open delivery.
    pub steps_per_delivery: u32,
    /// The most steps of one plan.
    pub steps_most: u32,
    /// The most deliveries of one trip. A rider's capacity limits it, too.
    pub bundle_most: u32,
    /// Where the ready time is uncertain, a rider is to be at the counter so long before the first of the possible times,
    /// minutes of the city.
    pub be_there_early_min: i64,
    /// Weight of time after the promise, thousandths. It comes on top of the ready-to-door time, whose weight is 1,000.
    pub late_permille: i64,
    /// Weight of a rider's time in motion and at stops, thousandths.
    pub busy_permille: i64,
    /// Weight of what the next orders lose while a rider is busy, thousandths.
    pub absence_permille: i64,
    /// How long before the latest departure the offer is made, so that the rider can answer, milliseconds.
    pub offer_lead_ms: i64,
    /// The weights of where and when a route ends.
    pub end: EndWeights,
}

/// The weights of where and when a route ends. They are multiplied by a factor that grows with the load of the zone, so
/// these are the largest ones of the place and the slope of the time: see `horizon/end_cost.rs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndWeights {
    /// How long one order keeps a rider busy, minutes of the city: the load is computed with it.
    pub order_takes_min: u32,
    /// γ: weight of the travel time from the last stop to the shops, thousandths.
    pub place_permille: i64,
    /// κ: weight of the time until the rider is free, thousandths.
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

/// The settings of repositioning: see `reposition.rs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reposition {
    /// Whether moves are proposed at all.
    pub on: bool,
    /// The orders of so many minutes of the city count.
    pub ahead_min: u32,
    /// Weight of the time to the counter, thousandths; the rest to 1,000 is the weight of the expected delay.
    pub near_permille: i64,
    /// A move must save the next orders more than this, milliseconds. A higher value means fewer moves.
    pub least_gain_ms: i64,
    /// Weight of the time of an empty ride, thousandths.
    pub empty_ride_permille: i64,
    /// The longest empty ride, minutes of the city.
    pub empty_ride_most_min: u32,
    /// A longer ride is split into hops of at most so many minutes of the city, because a rider who is under way gets no
    /// offers.
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
            empty_ride_permille: 20,
            empty_ride_most_min: 30,
            hop_most_min: 5,
            shift_left_min: 10,
            moves_most: 8,
        }
    }
}

/// Weights and prices. `…_permille` multiplies a time: with 1,000, a minute costs a minute. `…_ms` is a price,
/// milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// The way to the shop.
    pub travel_permille: i64,
    /// The rider's waiting time at the counter. Keep it below `travel_permille`: otherwise the further of two riders who
    /// are both early costs as little as the nearer one.
    pub rider_wait_permille: i64,
    /// The food's waiting time at the counter.
    pub food_wait_permille: i64,
    /// The time after the promise.
    pub lateness_permille: i64,
    /// The way to the shop once more, for a rider who has something to do.
    pub detour_permille: i64,
    /// The bonus of a delivery for the time since its food was ready. Keep it above the sum of `food_wait_permille` and
    /// `lateness_permille`: otherwise a late delivery costs ever more and is assigned last.
    pub overdue_permille: i64,
    /// The bonus of a delivery for the time since it was opened.
    pub age_permille: i64,
    /// The bonus of a rider for the time since they became idle.
    pub fairness_permille: i64,
    /// The longest idle time that counts, milliseconds.
    pub fairness_cap_ms: i64,
    /// The price of each order that the rider already has, milliseconds.
    pub load_ms: i64,
    /// The price of waiting for a rider who fits only later and may be taken by then, milliseconds.
    pub later_ms: i64,
    /// The price of an offer to a rider who never accepts, milliseconds; in proportion for the others.
    pub decline_ms: i64,
    /// The price of the worst rating, milliseconds; in proportion for the others.
    pub rating_ms: i64,
}

impl Weights {
    /// The weights of a zone. Prices are counted in minutes of the city, so a simulated city decides like a real one.
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
    /// The engine's settings for a zone. What a zone does not set has the default.
    #[must_use]
    pub fn of_zone(policy: &zone::Policy) -> Self {
        Self {
            version: POLICY_VERSION,
            search_lead_ms: policy.search_lead_ms,
            hold_ms: policy.hold_ms,
            give_up_ms: policy.give_up_ms,
            radius_m: policy.radius_m,
            max_fix_age_ms: MAX_FIX_AGE_MS,
            algorithm: policy.dispatch,
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
