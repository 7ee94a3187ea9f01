//! What one rider costs for one delivery under `greedy`, as the plan stands.

use super::workload::{Job, JobTimes, Workload};
use crate::gates::{Gate, standing_gate};
use crate::policy::Policy;
use crate::terms::{Terms, weighted};

/// Whether a rider may take a delivery, and at what cost.
pub(super) enum Assessment {
    /// May be chosen now.
    Fits(Terms),
    /// May be chosen from `at_ms` on, milliseconds since 1970. The cost is that of an offer made then.
    FitsLater { terms: Terms, at_ms: i64 },
    /// May not be chosen.
    Closed(Gate),
}

/// Assesses one pair. Gates come first, because most riders of a city fail one and a price takes longer.
pub(super) fn assess(job: &Job, rider: &Workload, now_ms: i64, policy: &Policy) -> Assessment {
    if let Some(gate) = gate(job, rider, policy) {
        return Assessment::Closed(gate);
    }
    let times = rider.times(job);
    if times.arrival_ms.max(job.ready_at_ms) > rider.rider.shift_end_ms {
        return Assessment::Closed(Gate::ShiftOver);
    }
    let not_before_ms = job.ready_at_ms.saturating_sub(policy.hold_ms.max(0));
    if times.arrival_ms >= not_before_ms {
        return Assessment::Fits(terms(job, rider, &times, now_ms, policy));
    }
    // The rider would wait too long. The offer that fits is after now and never after the ready time.
    let later = JobTimes { arrival_ms: not_before_ms, ..times };
    let terms = Terms { later_ms: policy.weights.later_ms, ..terms(job, rider, &later, now_ms, policy) };
    Assessment::FitsLater { terms, at_ms: later.offer_at_ms(not_before_ms) }
}

/// The gate that keeps this rider from one delivery more. Within a plan a closed gate stays closed, because riders only
/// get busier.
fn gate(job: &Job, rider: &Workload, policy: &Policy) -> Option<Gate> {
    let has_room = rider.load < rider.rider.capacity;
    standing_gate(job.delivery, rider.rider, policy).or((!has_room).then_some(Gate::NoCapacity))
}

fn terms(job: &Job, rider: &Workload, times: &JobTimes, now_ms: i64, policy: &Policy) -> Terms {
    let (delivery, weights) = (job.delivery, &policy.weights);
    let since = |then_ms: i64| now_ms.saturating_sub(then_ms).max(0);
    let is_idle = rider.load == 0;
    Terms {
        travel_ms: weighted(times.travel_ms, weights.travel_permille),
        rider_wait_ms: weighted(time_from(times.arrival_ms, job.ready_at_ms), weights.rider_wait_permille),
        food_wait_ms: weighted(time_from(job.ready_at_ms, times.arrival_ms), weights.food_wait_permille),
        lateness_ms: weighted(time_from(delivery.promise_at_ms, times.at_door_ms(job)), weights.lateness_permille),
        load_ms: weights.load_ms.saturating_mul(i64::from(rider.load)),
        detour_ms: if is_idle { 0 } else { weighted(times.travel_ms, weights.detour_permille) },
        acceptance_ms: weights.decline_price_ms(rider.rider),
        rating_ms: weights.rating_price_ms(rider.rider),
        fairness_ms: if is_idle { -weights.fairness_gain_ms(since(rider.rider.idle_since_ms)) } else { 0 },
        urgency_ms: -weighted(since(job.ready_at_ms), weights.overdue_permille)
            .saturating_add(weighted(since(delivery.opened_at_ms), weights.age_permille)),
        ..Terms::default()
    }
}

/// The time from one moment to a later one, milliseconds; 0 if it is not later.
fn time_from(early_ms: i64, late_ms: i64) -> i64 {
    late_ms.saturating_sub(early_ms).max(0)
}
