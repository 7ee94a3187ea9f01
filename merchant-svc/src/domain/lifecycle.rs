//! The lifecycle of a ticket, one table, and which of its steps are the shop's.

use pannier_contracts::ticket::TicketState;
use pannier_contracts::{Lifecycle, text_enum};
use rust_fsm::{StateMachineImpl as _, state_machine};

text_enum! {
    /// What can happen to a ticket.
    pub enum Trigger {
        /// The shop says yes.
        Accept => "be_accepted",
        /// The kitchen is done.
        MarkReady => "become_ready",
        /// The rider took it.
        HandOver => "be_handed_over",
        /// The shop says no.
        Reject => "be_rejected",
        /// The order expired.
        Expire => "expire",
        /// The order was cancelled, or failed.
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
        // Riders take food that nobody marked as ready.
        HandOver => HandedOver,
        Cancel => Cancelled,
    },
    Ready => {
        HandOver => HandedOver,
        Cancel => Cancelled,
    },
    // The food had left when the cancellation came: facts are never refused.
    Cancelled(HandOver) => HandedOver
}

/// A ticket's lifecycle.
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
    /// What a shop can do to a ticket, in the words of the API.
    pub enum Action {
        /// Say yes.
        Accept => "accept",
        /// Say no.
        Reject => "reject",
        /// The food waits at the counter.
        Ready => "ready",
        /// Not after all.
        Cancel => "cancel",
    }
}

impl Action {
    /// What it does to the ticket.
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

/// What the shop may do now. Less than the table allows: before acceptance a shop rejects instead of cancelling, and
/// once the food is ready it is too late for either.
#[must_use]
pub const fn allowed_actions(state: TicketState) -> &'static [Action] {
    match state {
        TicketState::AwaitingAcceptance => &[Action::Accept, Action::Reject],
        TicketState::Accepted => &[Action::Ready, Action::Cancel],
        _ => &[],
    }
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
