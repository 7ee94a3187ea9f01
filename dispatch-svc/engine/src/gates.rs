//! May this rider? A gate is a plain yes or no; how good a rider is, is a matter of cost.

use pannier_contracts::text_enum;

use crate::workload::{Job, Trip, Workload};
use crate::{Delivery, Policy, Rider};

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
        /// Their shift ends before they could take the food.
        ShiftOver => "shift_over",
        /// Others could be there earlier; so many are not priced.
        OutOfReach => "out_of_reach",
    }
}

/// The gate that keeps this rider from this delivery, whatever else is planned for them.
pub(crate) fn standing_gate(delivery: &Delivery, who: &Rider, policy: &Policy) -> Option<Gate> {
    let is_near = |place: crate::Point| place.metres_to(delivery.pickup) <= f64::from(policy.radius_m);
    if !who.available {
        Some(Gate::NotAvailable)
    } else if who.stale || who.fix_age_ms > policy.max_fix_age_ms {
        Some(Gate::Stale)
    } else if delivery.excluded.contains(&who.id) {
        Some(Gate::Excluded)
    } else if delivery.offered_to.contains(&who.id) {
        Some(Gate::AlreadyOffered)
    } else if !is_near(who.place) {
        Some(Gate::TooFar)
    } else if who.capacity == 0 {
        Some(Gate::NoCapacity)
    } else {
        None
    }
}

/// The gate that keeps this rider from one delivery more, as the plan stands.
///
/// Within one plan a closed gate stays closed: riders only get busier.
pub(crate) fn gate(job: &Job, rider: &Workload, policy: &Policy) -> Option<Gate> {
    let has_room = rider.load < rider.rider.capacity;
    standing_gate(job.delivery, rider.rider, policy).or((!has_room).then_some(Gate::NoCapacity))
}

/// Would this trip's food be taken after the end of the rider's shift?
pub(crate) fn is_after_shift(job: &Job, rider: &Workload, trip: &Trip) -> bool {
    trip.arrival_ms.max(job.ready_at_ms) > rider.rider.shift_end_ms
}

/// The moment from which this rider fits, if asked now they would wait too long at the counter.
/// It is after now and never after `ready_at`.
pub(crate) fn fits_at_ms(job: &Job, trip: &Trip, policy: &Policy) -> Option<i64> {
    let not_before_ms = job.ready_at_ms.saturating_sub(policy.hold_ms.max(0));
    (trip.arrival_ms < not_before_ms).then(|| trip.later_ms(not_before_ms))
}
