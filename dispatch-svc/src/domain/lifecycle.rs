//! The lifecycles of deliveries, offers and shifts: one transition table each.

use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::offer::OfferState;
use pannier_contracts::rider::RiderStatus;
use pannier_contracts::{Lifecycle, text_enum};
use rust_fsm::{StateMachineImpl as _, state_machine};

text_enum! {
    /// What can happen to a delivery. The words complete "a delivery that is scheduled cannot …".
    pub enum Trigger {
        /// The search for a rider begins.
        Search => "be_searched_for",
        /// Offers were sent to riders.
        SendOffer => "be_offered",
        /// No offer is open any more, and none was accepted.
        LoseOffers => "be_left_without_offers",
        /// A rider accepted an offer.
        Accept => "be_assigned",
        /// The rider arrived at the shop.
        ArriveAtPickup => "be_waited_for_at_the_shop",
        /// The rider took the food.
        PickUp => "be_picked_up",
        /// The rider arrived at the customer's door.
        ArriveAtDropoff => "arrive_at_the_door",
        /// The food was handed over.
        Deliver => "be_delivered",
        /// The rider or the open offers are withdrawn, to search again.
        Reassign => "be_reassigned",
        /// The order ended before pickup.
        Cancel => "be_cancelled",
        /// No rider was found in time.
        GiveUp => "be_given_up",
        /// The order ended on the road: the food goes back to the shop.
        TurnBack => "be_brought_back",
        /// The food is back at the shop.
        ArriveBack => "arrive_back_at_the_shop",
        /// The food could not be handed over.
        Fail => "fail",
    }
}

state_machine! {
    #[state_machine(state(pannier_contracts::delivery::DeliveryState), input(crate::domain::lifecycle::Trigger))]
    delivery_table(Scheduled)
    Scheduled => {
        Search => Searching,
        Cancel => Cancelled,
        GiveUp => Unassignable,
    },
    Searching => {
        SendOffer => Offered,
        Cancel => Cancelled,
        GiveUp => Unassignable,
    },
    Offered => {
        Accept => Assigned,
        LoseOffers => Searching,
        // Operations withdraw the offers: a concurrent acceptance is either before this or refused.
        Reassign => Searching,
        Cancel => Cancelled,
        GiveUp => Unassignable,
    },
    Assigned => {
        ArriveAtPickup => AtPickup,
        Reassign => Searching,
        Cancel => Cancelled,
    },
    AtPickup => {
        PickUp => PickedUp,
        Reassign => Searching,
        Cancel => Cancelled,
    },
    // A rider has the food: it is delivered, brought back or lost, and cannot be cancelled.
    PickedUp => {
        ArriveAtDropoff => AtDropoff,
        TurnBack => Returning,
        Fail => Failed,
    },
    AtDropoff => {
        Deliver => Delivered,
        TurnBack => Returning,
        Fail => Failed,
    },
    Returning(ArriveBack) => Returned,
}

/// The lifecycle of a delivery.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryLifecycle;

impl Lifecycle for DeliveryLifecycle {
    type State = DeliveryState;
    type Trigger = Trigger;
    const NAME: &'static str = "delivery";
    fn states() -> &'static [DeliveryState] {
        DeliveryState::ALL
    }
    fn triggers() -> &'static [Trigger] {
        Trigger::ALL
    }
    fn table(from: DeliveryState, trigger: Trigger) -> Option<DeliveryState> {
        delivery_table::Impl::transition(&from, &trigger)
    }
}

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

text_enum! {
    /// What can happen to an offer.
    pub enum OfferTrigger {
        /// The rider accepted.
        Accept => "be_accepted",
        /// The rider declined.
        Decline => "be_declined",
        /// No answer came in time.
        Expire => "expire",
        /// Dispatch withdrew it.
        Revoke => "be_revoked",
    }
}

state_machine! {
    #[state_machine(state(pannier_contracts::offer::OfferState), input(crate::domain::lifecycle::OfferTrigger))]
    offer_table(Sent)
    Sent => {
        Accept => Accepted,
        Decline => Declined,
        Expire => Expired,
        Revoke => Revoked,
    }
}

/// The lifecycle of an offer.
#[derive(Debug, Clone, Copy)]
pub struct OfferLifecycle;

impl Lifecycle for OfferLifecycle {
    type State = OfferState;
    type Trigger = OfferTrigger;
    const NAME: &'static str = "offer";
    fn states() -> &'static [OfferState] {
        OfferState::ALL
    }
    fn triggers() -> &'static [OfferTrigger] {
        OfferTrigger::ALL
    }
    fn table(from: OfferState, trigger: OfferTrigger) -> Option<OfferState> {
        offer_table::Impl::transition(&from, &trigger)
    }
}

text_enum! {
    /// What can happen to a rider's shift.
    pub enum ShiftTrigger {
        /// The shift begins, or a pause ends.
        GoOnline => "go_online",
        /// No new offers from here on.
        Pause => "pause",
        /// The shift ends.
        GoOffline => "go_offline",
    }
}

state_machine! {
    #[state_machine(state(pannier_contracts::rider::RiderStatus), input(crate::domain::lifecycle::ShiftTrigger))]
    shift_table(Offline)
    Offline(GoOnline) => Available,
    Available => {
        Pause => Paused,
        GoOffline => Offline,
    },
    Paused => {
        GoOnline => Available,
        GoOffline => Offline,
    }
}

/// The lifecycle of a rider's shift.
#[derive(Debug, Clone, Copy)]
pub struct ShiftLifecycle;

impl Lifecycle for ShiftLifecycle {
    type State = RiderStatus;
    type Trigger = ShiftTrigger;
    const NAME: &'static str = "rider";
    fn states() -> &'static [RiderStatus] {
        RiderStatus::ALL
    }
    fn triggers() -> &'static [ShiftTrigger] {
        ShiftTrigger::ALL
    }
    fn table(from: RiderStatus, trigger: ShiftTrigger) -> Option<RiderStatus> {
        shift_table::Impl::transition(&from, &trigger)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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

    /// The macro silently ignores the second of two edges with the same state and trigger.
    #[test]
    fn no_edge_is_written_twice() {
        let text = include_str!("lifecycle.rs");
        let mut tables = 0;
        for table in text.split("\nstate_machine! {").skip(1) {
            let body = table.split("\n}\n").next().unwrap_or_default();
            let (mut state, mut edges) = (String::new(), BTreeSet::new());
            for line in body.lines().map(str::trim).filter(|l| l.contains("=>")) {
                let left = line.split("=>").next().unwrap_or_default().trim();
                let edge = if line.ends_with('{') {
                    state = left.to_owned();
                    continue;
                } else if let Some((from, trigger)) = left.split_once('(') {
                    (from.to_owned(), trigger.trim_end_matches(')').to_owned())
                } else {
                    (state.clone(), left.to_owned())
                };
                assert!(edges.insert(edge.clone()), "{edge:?} is written twice");
            }
            tables += usize::from(!edges.is_empty());
        }
        assert_eq!(tables, 3);
    }
}
