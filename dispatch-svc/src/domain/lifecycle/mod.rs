//! The lifecycles of deliveries, offers and shifts: one table each, with what every state waits for and what people may do.

mod delivery;
mod offer;
mod shift;

use pannier_contracts::delivery::DeliveryState;

pub use self::delivery::{DeliveryLifecycle, Trigger};
pub use self::offer::{OfferLifecycle, OfferTrigger};
pub use self::shift::{ShiftLifecycle, ShiftTrigger};

/// Is the food still at the shop? Until then the order decides, afterwards the delivery.
#[must_use]
pub const fn is_before_pickup(state: DeliveryState) -> bool {
    use DeliveryState::{Assigned, AtPickup, Offered, Scheduled, Searching};
    matches!(state, Scheduled | Searching | Offered | Assigned | AtPickup)
}

/// Is it without a rider, and still to be carried?
#[must_use]
pub const fn is_unassigned(state: DeliveryState) -> bool {
    use DeliveryState::{Offered, Scheduled, Searching};
    matches!(state, Scheduled | Searching | Offered)
}

/// Does it count in its rider's load?
#[must_use]
pub const fn is_carried(state: DeliveryState) -> bool {
    use DeliveryState::{Assigned, AtDropoff, AtPickup, PickedUp, Returning};
    matches!(state, Assigned | AtPickup | PickedUp | AtDropoff | Returning)
}

/// The states that fulfil a predicate: for conditions in SQL.
#[must_use]
pub fn states_where(is_so: fn(DeliveryState) -> bool) -> Vec<DeliveryState> {
    DeliveryState::ALL.iter().copied().filter(|state| is_so(*state)).collect()
}

#[cfg(test)]
mod tests {
    use pannier_contracts::{Lifecycle as _, LifecycleTable as _};

    use super::*;

    #[test]
    fn the_delivery_table() {
        insta::assert_snapshot!(DeliveryLifecycle::print());
    }

    #[test]
    fn the_offer_table() {
        insta::assert_snapshot!(OfferLifecycle::print());
    }

    #[test]
    fn the_shift_table() {
        insta::assert_snapshot!(ShiftLifecycle::print());
    }

    /// Every open state ends at a deadline or tells a person, who can end it.
    #[test]
    fn no_state_is_a_dead_end() {
        let gaps = [DeliveryLifecycle::gaps(), OfferLifecycle::gaps(), ShiftLifecycle::gaps()].concat();
        assert!(gaps.is_empty(), "{gaps:#?}");
    }
}
