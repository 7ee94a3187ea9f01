//! The lifecycle of a ticket, and what a shop may do in each state.

use pannier_contracts::ticket::TicketState;
use pannier_contracts::{Lifecycle, text_enum};
use rust_fsm::{StateMachineImpl as _, state_machine};

text_enum! {
    /// What can happen to a ticket.
    pub enum Trigger {
        /// The shop accepts the order.
        Accept => "be_accepted",
        /// The shop reports that the food is ready.
        MarkReady => "become_ready",
        /// The rider takes the food.
        HandOver => "be_handed_over",
        /// The shop rejects the order, or it is closed or sold out.
        Reject => "be_rejected",
        /// The order expires before the shop answers.
        Expire => "expire",
        /// The order is cancelled, or fails.
        Cancel => "be_cancelled",
    }
}

state_machine! {
    #[state_machine(state(pannier_contracts::ticket::TicketState), input(crate::domain::lifecycle::Trigger))]
    ticket_table(AwaitingAcceptance)
    AwaitingAcceptance => {
        Accept => Accepted,
        Reject => Rejected,
        Expire => Expired,
        Cancel => Cancelled,
    },
    Accepted => {
        MarkReady => Ready,
        // A rider may take food that was not marked as ready.
        HandOver => HandedOver,
        Cancel => Cancelled,
    },
    Ready => {
        HandOver => HandedOver,
        Cancel => Cancelled,
    },
    // The rider had the food before the cancellation came.
    Cancelled(HandOver) => HandedOver
}

/// The transitions of a ticket, as the table above has them.
#[derive(Debug, Clone, Copy)]
pub struct TicketLifecycle;

impl Lifecycle for TicketLifecycle {
    type State = TicketState;
    type Trigger = Trigger;
    const NAME: &'static str = "ticket";
    fn states() -> &'static [TicketState] {
        TicketState::ALL
    }
    fn triggers() -> &'static [Trigger] {
        Trigger::ALL
    }
    fn table(from: TicketState, trigger: Trigger) -> Option<TicketState> {
        ticket_table::Impl::transition(&from, &trigger)
    }
}

text_enum! {
    /// What a shop can do to a ticket: the last segment of the API's paths.
    pub enum Action {
        /// Accept the order and say when it will be ready.
        Accept => "accept",
        /// Reject the order before accepting it.
        Reject => "reject",
        /// Report that the food is ready.
        Ready => "ready",
        /// Cancel an accepted order.
        Cancel => "cancel",
    }
}

impl Action {
    /// What the action does to the ticket.
    #[must_use]
    pub const fn trigger(self) -> Trigger {
        match self {
            Self::Accept => Trigger::Accept,
            Self::Reject => Trigger::Reject,
            Self::Ready => Trigger::MarkReady,
            Self::Cancel => Trigger::Cancel,
        }
    }
}

/// Whether the kitchen still has the food or has to answer: the column `tickets.is_open`. These are the states from which
/// a ticket can be cancelled.
#[must_use]
pub fn is_open(state: TicketState) -> bool {
    TicketLifecycle::table(state, Trigger::Cancel).is_some()
}

/// What the shop may do in a state. This is less than the lifecycle allows: before acceptance a shop rejects instead of
/// cancelling, and once the food is ready it can do neither.
#[must_use]
pub const fn allowed_actions(state: TicketState) -> &'static [Action] {
    match state {
        TicketState::AwaitingAcceptance => &[Action::Accept, Action::Reject],
        TicketState::Accepted => &[Action::Ready, Action::Cancel],
        _ => &[],
    }
}

/// [`allowed_actions`], as problems list them.
#[must_use]
pub fn allowed_action_names(state: TicketState) -> Vec<String> {
    allowed_actions(state).iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticket_table() {
        insta::assert_snapshot!(TicketLifecycle::print());
    }

    #[test]
    fn what_a_shop_may_do_is_in_the_table() {
        for state in TicketState::ALL {
            for action in allowed_actions(*state) {
                assert!(TicketLifecycle::table(*state, action.trigger()).is_some(), "{state} × {action}");
            }
        }
    }

    /// rust-fsm takes the first of two equal (state, trigger) pairs without a word.
    #[test]
    fn no_pair_is_listed_twice() {
        let table = include_str!("lifecycle.rs").split("state_machine! {").nth(1).unwrap();
        let table = table.split("\n}\n").next().unwrap();
        let mut seen = std::collections::BTreeSet::new();
        let mut state = "";
        for line in table.lines().map(str::trim).filter(|l| !l.starts_with("//")) {
            let Some((left, right)) = line.split_once("=>") else { continue };
            let left = left.trim();
            if right.trim() == "{" {
                state = left;
            } else {
                let (state, trigger) =
                    left.split_once('(').map_or((state, left), |(s, t)| (s, t.trim_end_matches(')')));
                assert!(seen.insert((state, trigger)), "{state} × {trigger} is listed twice");
            }
        }
        let in_table =
            TicketState::ALL.iter().flat_map(|s| Trigger::ALL.iter().map(|t| TicketLifecycle::table(*s, *t)));
        assert_eq!(seen.len(), in_table.flatten().count(), "the whole table was read");
    }
}
