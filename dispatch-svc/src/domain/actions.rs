//! What a caller may do next: `allowed_actions` of every resource.

use pannier_contracts::Lifecycle as _;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::offer::OfferState;
use pannier_contracts::rider::RiderStatus;

use super::lifecycle::{DeliveryLifecycle, ShiftLifecycle, ShiftTrigger, Trigger};

/// What its rider may report about a delivery. Reports may skip states: `delivered` is accepted from `picked_up` on.
#[must_use]
pub fn of_carried(state: DeliveryState) -> &'static [&'static str] {
    use DeliveryState as D;
    match state {
        D::Assigned => &["at_pickup", "picked_up"],
        D::AtPickup => &["picked_up"],
        D::PickedUp => &["at_dropoff", "delivered"],
        D::AtDropoff => &["delivered"],
        D::Returning => &["returned"],
        _ => &[],
    }
}

/// What operations may do with a delivery.
#[must_use]
pub fn of_ops(state: DeliveryState) -> &'static [&'static str] {
    if DeliveryLifecycle::table(state, Trigger::Reassign).is_some() { &["reassign"] } else { &[] }
}

/// What its rider may do with an offer.
#[must_use]
pub fn of_offer(state: OfferState) -> &'static [&'static str] {
    if state == OfferState::Sent { &["accept", "decline"] } else { &[] }
}

/// What a rider may do with their shift.
#[must_use]
pub fn of_shift(status: RiderStatus) -> Vec<&'static str> {
    [(ShiftTrigger::GoOnline, "online"), (ShiftTrigger::Pause, "pause"), (ShiftTrigger::GoOffline, "offline")]
        .into_iter()
        .filter(|(trigger, _)| ShiftLifecycle::table(status, *trigger).is_some())
        .map(|(_, action)| action)
        .collect()
}

/// The actions as [`pannier_platform::Refusal::Illegal`] holds them.
#[must_use]
pub fn owned(actions: &[&'static str]) -> Vec<String> {
    actions.iter().map(|a| (*a).to_owned()).collect()
}
