//! May this rider? A gate is a plain yes or no; how good a rider is, is a matter of cost.

use pannier_contracts::text_enum;

use crate::Policy;
use crate::travel::distance_m;
use crate::workload::{Job, Trip, Workload};

text_enum! {
    /// Why a rider may not be chosen. If several apply, the first of this list is told.
    pub enum Gate {
        /// Offline or paused.
        NotAvailable => "not_available",
        /// Silent for too long: nobody knows where they are.
        Stale => "stale",
        /// Declined this delivery, or let their offer expire.
        Excluded => "excluded",
        /// Has an open offer of this delivery.
        AlreadyOffered => "already_offered",
        /// Outside the radius around the shop.
        TooFar => "too_far",
        /// Has as many orders and offers as they can take, those of this plan included.
        NoCapacity => "no_capacity",
        /// Would stand at the counter for longer than `hold`; fits later.
        WouldWaitTooLong => "would_wait_too_long",
    }
}

/// The gate that keeps this rider from this delivery, whenever they would be asked.
///
/// Within one plan a closed gate stays closed: riders only get busier.
pub(crate) fn gate(job: &Job, rider: &Workload, policy: &Policy) -> Option<Gate> {
    let who = rider.rider;
    if !who.available {
        Some(Gate::NotAvailable)
    } else if who.stale || who.fix_age_ms > policy.max_fix_age_ms {
        Some(Gate::Stale)
    } else if job.excluded.binary_search(&who.id).is_ok() {
        Some(Gate::Excluded)
    } else if job.offered_to.binary_search(&who.id).is_ok() {
        Some(Gate::AlreadyOffered)
    } else if distance_m(&who.place, &job.delivery.pickup) > f64::from(policy.radius_m) {
        Some(Gate::TooFar)
    } else if rider.load >= who.capacity {
        Some(Gate::NoCapacity)
    } else {
        None
    }
}

/// The moment from which this rider fits, if asked now they would wait too long at the counter.
/// It is after now and never after `ready_at`.
pub(crate) fn fits_at_ms(job: &Job, trip: &Trip, policy: &Policy) -> Option<i64> {
    let not_before_ms = job.delivery.ready_at_ms.saturating_sub(policy.hold_ms.max(0));
    (trip.arrival_ms < not_before_ms).then(|| not_before_ms.saturating_sub(trip.travel_ms))
}
