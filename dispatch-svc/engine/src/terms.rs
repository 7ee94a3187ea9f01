//! The terms of a cost, and the prices that both algorithms share.

use serde::{Deserialize, Serialize};

use crate::policy::Weights;
use crate::snapshot::Rider;

/// The cost of giving a delivery to a rider, term by term. All are weighted already, in milliseconds; a negative term
/// speaks for the rider or for the delivery. A term that an algorithm does not have is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Terms {
    /// `greedy`: the way to the shop from where the rider is free.
    pub travel_ms: i64,
    /// `greedy`: the rider waits at the counter for the food.
    pub rider_wait_ms: i64,
    /// The food waits at the counter for the rider.
    pub food_wait_ms: i64,
    /// The drop-off is after the promise.
    pub lateness_ms: i64,
    /// `greedy`: the orders and offers that the rider already has.
    pub load_ms: i64,
    /// `greedy`: the way to the shop once more, for a rider who has something to do.
    pub detour_ms: i64,
    /// `greedy`: the rider fits only later, and may be taken by then; 0 for a rider who fits now.
    pub later_ms: i64,
    /// The rider may decline.
    pub acceptance_ms: i64,
    /// The rider's rating is below the best.
    pub rating_ms: i64,
    /// `horizon`: from the pickup to the customer's door, other drop-offs on the way included.
    pub ride_ms: i64,
    /// `horizon`: the delay that this delivery causes to the others of the route.
    pub others_ms: i64,
    /// `horizon`: the rider's time in motion and at stops.
    pub busy_ms: i64,
    /// `horizon`: where and when the rider's route ends.
    pub end_ms: i64,
    /// `horizon`: the delay of the next orders while the rider is busy.
    pub absence_ms: i64,
    /// Negative: the time for which the rider has been idle.
    pub fairness_ms: i64,
    /// `greedy`, negative: the time for which the delivery has been waiting. The same for every rider; it decides which
    /// delivery is assigned first.
    pub urgency_ms: i64,
}

/// One term of a cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// The name of the field in [`Terms`].
    pub name: &'static str,
    /// What it stands for in a sentence: "4.3 min for …".
    pub words: &'static str,
    /// The weighted term, milliseconds.
    pub ms: i64,
}

impl Terms {
    /// Every term, in the order of the fields.
    #[must_use]
    pub const fn list(&self) -> [Term; 16] {
        // Taken apart without `..`, so that a new field cannot be forgotten here.
        let Self {
            travel_ms,
            rider_wait_ms,
            food_wait_ms,
            lateness_ms,
            load_ms,
            detour_ms,
            later_ms,
            acceptance_ms,
            rating_ms,
            ride_ms,
            others_ms,
            busy_ms,
            end_ms,
            absence_ms,
            fairness_ms,
            urgency_ms,
        } = *self;
        [
            Term { name: "travel_ms", words: "the way to the shop", ms: travel_ms },
            Term { name: "rider_wait_ms", words: "waiting at the counter", ms: rider_wait_ms },
            Term { name: "food_wait_ms", words: "the food waiting", ms: food_wait_ms },
            Term { name: "lateness_ms", words: "being later than promised", ms: lateness_ms },
            Term { name: "load_ms", words: "what the rider already has", ms: load_ms },
            Term { name: "detour_ms", words: "the detour from that", ms: detour_ms },
            Term { name: "later_ms", words: "fitting only later", ms: later_ms },
            Term { name: "acceptance_ms", words: "the chance of a no", ms: acceptance_ms },
            Term { name: "rating_ms", words: "the rating", ms: rating_ms },
            Term { name: "ride_ms", words: "the way to the door", ms: ride_ms },
            Term { name: "others_ms", words: "the delay of others", ms: others_ms },
            Term { name: "busy_ms", words: "the work", ms: busy_ms },
            Term { name: "end_ms", words: "when and where it ends", ms: end_ms },
            Term { name: "absence_ms", words: "being missed by the next orders", ms: absence_ms },
            Term { name: "fairness_ms", words: "having been idle", ms: fairness_ms },
            Term { name: "urgency_ms", words: "having waited", ms: urgency_ms },
        ]
    }

    /// The cost: the sum of all terms, milliseconds.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.list().into_iter().map(|term| term.ms).fold(0, i64::saturating_add)
    }
}

impl Weights {
    /// The price of asking this rider, milliseconds: for the chance of a decline, and for the rating.
    pub(crate) fn asking_ms(&self, rider: &Rider) -> i64 {
        self.decline_price_ms(rider) + self.rating_price_ms(rider)
    }

    /// The price of the chance that the rider declines, milliseconds.
    pub(crate) fn decline_price_ms(&self, rider: &Rider) -> i64 {
        weighted(self.decline_ms, short_of_thousand(rider.acceptance_permille))
    }

    /// The price of a rating below the best, milliseconds.
    pub(crate) fn rating_price_ms(&self, rider: &Rider) -> i64 {
        weighted(self.rating_ms, short_of_thousand(rider.rating_permille))
    }

    /// The bonus of a rider who has been idle for so long, milliseconds.
    pub(crate) fn fairness_gain_ms(&self, idle_ms: i64) -> i64 {
        weighted(idle_ms.min(self.fairness_cap_ms), self.fairness_permille)
    }
}

/// A time multiplied by a weight in thousandths.
pub(crate) fn weighted(ms: i64, permille: i64) -> i64 {
    ms.saturating_mul(permille) / 1_000
}

fn short_of_thousand(permille: u32) -> i64 {
    i64::from(1_000_u32.saturating_sub(permille))
}
