//! How much delay? What it costs to give a delivery to a rider, in milliseconds of somebody's time.

use serde::{Deserialize, Serialize};

use crate::workload::{Job, Trip, Workload};
use crate::{Gate, Policy, Weights, gates};

/// A cost taken apart. Every term is already weighted, in milliseconds; a negative one is a reason for the rider or
/// for the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Terms {
    /// The way to the shop, from where the rider is done with everything else.
    pub travel_ms: i64,
    /// Arrival before the food is ready: the rider waits.
    pub rider_wait_ms: i64,
    /// Arrival after the food is ready: the food waits.
    pub food_wait_ms: i64,
    /// At the door after the promise.
    pub lateness_ms: i64,
    /// Orders and offers that the rider already has.
    pub load_ms: i64,
    /// How far the shop lies from where those end.
    pub detour_ms: i64,
    /// The rider fits only later and may be gone by then; 0 for who fits now.
    pub later_ms: i64,
    /// The chance that the rider says no.
    pub acceptance_ms: i64,
    /// How far the rider is from the best rating.
    pub rating_ms: i64,
    /// From taking the food to the customer's door, waiting for other doors included.
    pub ride_ms: i64,
    /// What other deliveries of the route lose by this one.
    pub others_ms: i64,
    /// Time in motion and at stops.
    pub busy_ms: i64,
    /// Where and when the rider's plan ends.
    pub end_ms: i64,
    /// What the next orders lose while the rider is busy.
    pub absence_ms: i64,
    /// Minus: how long the rider has been idle.
    pub fairness_ms: i64,
    /// Minus: how long the delivery has been waiting. The same for every rider; it orders the deliveries.
    pub urgency_ms: i64,
}

impl Terms {
    /// Every term with its name, in the order of the fields.
    #[must_use]
    pub fn named(&self) -> [(&'static str, i64); 16] {
        [
            ("travel_ms", self.travel_ms),
            ("rider_wait_ms", self.rider_wait_ms),
            ("food_wait_ms", self.food_wait_ms),
            ("lateness_ms", self.lateness_ms),
            ("load_ms", self.load_ms),
            ("detour_ms", self.detour_ms),
            ("later_ms", self.later_ms),
            ("acceptance_ms", self.acceptance_ms),
            ("rating_ms", self.rating_ms),
            ("ride_ms", self.ride_ms),
            ("others_ms", self.others_ms),
            ("busy_ms", self.busy_ms),
            ("end_ms", self.end_ms),
            ("absence_ms", self.absence_ms),
            ("fairness_ms", self.fairness_ms),
            ("urgency_ms", self.urgency_ms),
        ]
    }

    /// The cost: the sum of all terms, milliseconds.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.named().into_iter().map(|(_, ms)| ms).fold(0, i64::saturating_add)
    }
}

/// What a rider is to a delivery, as the plan stands.
pub(crate) enum Assessment {
    /// May be chosen.
    Fits(Terms),
    /// May be chosen from `at_ms` on; priced as if asked then.
    FitsLater { terms: Terms, at_ms: i64 },
    /// May not be chosen.
    Closed(Gate),
}

/// Looks at one pair: gates first, because most riders of a city fail one and a price takes longer.
pub(crate) fn assess(job: &Job, rider: &Workload, now_ms: i64, policy: &Policy) -> Assessment {
    if let Some(gate) = gates::gate(job, rider, policy) {
        return Assessment::Closed(gate);
    }
    let trip = rider.trip(job);
    if gates::is_after_shift(job, rider, &trip) {
        return Assessment::Closed(Gate::ShiftOver);
    }
    match gates::fits_at_ms(job, &trip, policy) {
        None => Assessment::Fits(terms(job, rider, &trip, now_ms, policy)),
        Some(at_ms) => {
            let later =
                Trip { arrival_ms: trip.arrival_ms.max(job.ready_at_ms.saturating_sub(policy.hold_ms.max(0))), ..trip };
            let terms = terms(job, rider, &later, now_ms, policy);
            Assessment::FitsLater { terms: Terms { later_ms: policy.weights.later_ms, ..terms }, at_ms }
        }
    }
}

fn terms(job: &Job, rider: &Workload, trip: &Trip, now_ms: i64, policy: &Policy) -> Terms {
    let (delivery, who, weights) = (job.delivery, rider.rider, &policy.weights);
    let since = |then_ms: i64| now_ms.saturating_sub(then_ms).max(0);
    let is_idle = rider.load == 0;
    Terms {
        travel_ms: weighted(trip.travel_ms, weights.travel_permille),
        rider_wait_ms: weighted(after(job.ready_at_ms, trip.arrival_ms), weights.rider_wait_permille),
        food_wait_ms: weighted(after(trip.arrival_ms, job.ready_at_ms), weights.food_wait_permille),
        lateness_ms: weighted(after(trip.at_door_ms(job), delivery.promise_at_ms), weights.lateness_permille),
        load_ms: weights.load_ms.saturating_mul(i64::from(rider.load)),
        detour_ms: if is_idle { 0 } else { weighted(trip.travel_ms, weights.detour_permille) },
        later_ms: 0,
        acceptance_ms: weighted(weights.decline_ms, missing(who.acceptance_permille)),
        rating_ms: weighted(weights.rating_ms, missing(who.rating_permille)),
        ride_ms: 0,
        others_ms: 0,
        busy_ms: 0,
        end_ms: 0,
        absence_ms: 0,
        fairness_ms: if is_idle { -weights.fairness_gain_ms(since(who.idle_since_ms)) } else { 0 },
        urgency_ms: -weighted(since(job.ready_at_ms), weights.overdue_permille)
            .saturating_add(weighted(since(delivery.opened_at_ms), weights.age_permille)),
    }
}

/// How long `late` is after `early`, 0 if it is not.
fn after(late_ms: i64, early_ms: i64) -> i64 {
    late_ms.saturating_sub(early_ms).max(0)
}

fn weighted(ms: i64, permille: i64) -> i64 {
    ms.saturating_mul(permille) / 1_000
}

/// What lacks to a full thousand.
fn missing(permille: u32) -> i64 {
    i64::from(1_000_u32.saturating_sub(permille))
}

impl Weights {
    /// What asking this rider costs beyond time: the chance that they say no, and their rating. Milliseconds.
    pub(crate) fn asking_ms(&self, rider: &crate::Rider) -> i64 {
        weighted(self.decline_ms, missing(rider.acceptance_permille)) + self.rating_price_ms(rider)
    }

    /// What lacks to the best rating. Milliseconds.
    pub(crate) fn rating_price_ms(&self, rider: &crate::Rider) -> i64 {
        weighted(self.rating_ms, missing(rider.rating_permille))
    }

    /// What a rider gains on others who has been idle for so long. Milliseconds.
    pub(crate) fn fairness_gain_ms(&self, idle_ms: i64) -> i64 {
        weighted(idle_ms.min(self.fairness_cap_ms), self.fairness_permille)
    }
}
