//! What a caller may do next: `allowed_actions` of every resource, from the tables of the lifecycles.

use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::offer::OfferState;
use pannier_contracts::rider::RiderStatus;
use pannier_contracts::{LifecycleTable as _, Role};

use super::lifecycle::{DeliveryLifecycle, OfferLifecycle, ShiftLifecycle};

/// What its rider may report about a delivery. Reports may skip states: `delivered` is accepted from `picked_up` on.
#[must_use]
pub fn of_carried(state: DeliveryState) -> Vec<&'static str> {
    DeliveryLifecycle::actions(state, Role::Rider)
}

/// What operations may do with a delivery.
#[must_use]
pub fn of_ops(state: DeliveryState) -> Vec<&'static str> {
    DeliveryLifecycle::actions(state, Role::Ops)
}

/// What its rider may do with an offer.
#[must_use]
pub fn of_offer(state: OfferState) -> Vec<&'static str> {
    OfferLifecycle::actions(state, Role::Rider)
}

/// What a rider may do with their shift.
#[must_use]
pub fn of_shift(status: RiderStatus) -> Vec<&'static str> {
    ShiftLifecycle::actions(status, Role::Rider)
}

/// What operations may do with a rider's shift.
#[must_use]
pub fn of_ops_with_shift(status: RiderStatus) -> Vec<&'static str> {
    ShiftLifecycle::actions(status, Role::Ops)
}

/// The actions as [`pannier_platform::Refusal::Illegal`] holds them.
#[must_use]
pub fn owned(actions: Vec<&'static str>) -> Vec<String> {
    actions.into_iter().map(str::to_owned).collect()
}
