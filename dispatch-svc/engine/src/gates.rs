//! Eligibility: which riders may take a delivery, whatever it costs.

use pannier_contracts::text_enum;

use crate::policy::Policy;
use crate::snapshot::{Delivery, Rider};
use crate::travel::Point;

text_enum! {
    /// Why a rider may not be chosen for a delivery. If several reasons apply, the first of this list is told.
    pub enum Gate {
        /// Offline or paused.
        NotAvailable => "not_available",
        /// Silent for too long, so the position is not known.
        Stale => "stale",
        /// Declined this delivery, or let the offer expire.
        Excluded => "excluded",
        /// Has an open offer of this delivery.
        AlreadyOffered => "already_offered",
        /// Outside the zone's radius around the shop.
        TooFar => "too_far",
        /// Has as many orders and offers as fit, those of this plan included.
        NoCapacity => "no_capacity",
        /// Would wait at the counter for longer than `hold_ms`; fits later. Only `greedy` uses it.
        WouldWaitTooLong => "would_wait_too_long",
        /// The shift ends before the rider could take the food.
        ShiftOver => "shift_over",
        /// Enough riders could be at the counter earlier, so this one is not priced. Only `horizon` uses it.
        OutOfReach => "out_of_reach",
    }
}

/// The gate that keeps this rider from this delivery in every plan: it depends on the snapshot alone.
pub(crate) fn standing_gate(delivery: &Delivery, rider: &Rider, policy: &Policy) -> Option<Gate> {
    let is_near = |place: Point| place.metres_to(delivery.pickup) <= f64::from(policy.radius_m);
    if !rider.available {
        Some(Gate::NotAvailable)
    } else if rider.stale || rider.fix_age_ms > policy.max_fix_age_ms {
        Some(Gate::Stale)
    } else if delivery.excluded.contains(&rider.id) {
        Some(Gate::Excluded)
    } else if delivery.offered_to.contains(&rider.id) {
        Some(Gate::AlreadyOffered)
    } else if !is_near(rider.place) {
        Some(Gate::TooFar)
    } else if rider.capacity == 0 {
        Some(Gate::NoCapacity)
    } else {
        None
    }
}
