//! How do we weigh? The limits and prices of a zone.

use pannier_contracts::zone;
use serde::{Deserialize, Serialize};

/// The version of the rules and of the weights that [`Policy::of_zone`] gives; it grows when either changes.
pub const POLICY_VERSION: u32 = 1;

/// A rider silent for longer gets no offers, milliseconds. A property of riders' apps, so no zone changes it.
pub const MAX_FIX_AGE_MS: i64 = 60_000;

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
    /// What things cost.
    pub weights: Weights,
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
    /// The weights of a zone. Prices are parts of its durations, so a city at thirty times the speed
    /// divides both and decides alike.
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
            load_ms: policy.search_lead_ms / 5,
            later_ms: policy.search_lead_ms / 15,
            decline_ms: policy.search_lead_ms / 15,
            rating_ms: policy.search_lead_ms / 30,
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
            weights: Weights::of_zone(policy),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::of_zone(&zone::Policy::default())
    }
}
