//! How an order follows its ticket and its delivery: for each pair of states, the transitions of the order.

use pannier_contracts::catch_up;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::order::OrderState;
use pannier_contracts::ticket::TicketState;

use super::lifecycle::{OrderLifecycle, Trigger};

/// Where an order should be: in one of `states`, reached by `triggers` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goal {
    states: &'static [OrderState],
    triggers: &'static [Trigger],
}

impl Goal {
    /// The shortest path from a state, empty if that is a goal state; `None` when no path leads there, because the order
    /// has passed the goal.
    #[must_use]
    pub fn path_from(self, state: OrderState) -> Option<Vec<Trigger>> {
        catch_up::<OrderLifecycle>(state, self.states, self.triggers)
    }
}

/// The goal of an order whose ticket is in this state; `None` where the ticket does not move the order.
#[must_use]
pub const fn after_ticket(ticket: TicketState) -> Option<Goal> {
    match ticket {
        TicketState::Rejected => Some(Goal { states: &[OrderState::Rejected], triggers: &[Trigger::Reject] }),
        // No goal for an order that was picked up before the kitchen marked it ready.
        TicketState::Ready => Some(Goal { states: &[OrderState::Ready], triggers: &[Trigger::MarkReady] }),
        // The order took these steps before its ticket did.
        TicketState::AwaitingAcceptance
        | TicketState::Accepted
        | TicketState::HandedOver
        | TicketState::Expired
        | TicketState::Cancelled => None,
    }
}

/// The goal of an order whose delivery is in this state; `None` before pickup, where the order decides.
#[must_use]
pub const fn after_delivery(delivery: DeliveryState) -> Option<Goal> {
    use OrderState as O;
    let (states, triggers): (&'static [OrderState], &'static [Trigger]) = match delivery {
        DeliveryState::PickedUp | DeliveryState::AtDropoff => (&[O::Delivering, O::Delivered], &[Trigger::PickUp]),
        DeliveryState::Delivered => (&[O::Delivered], &[Trigger::PickUp, Trigger::Deliver]),
        DeliveryState::Returning | DeliveryState::Returned => {
            (&[O::Cancelled, O::Failed], &[Trigger::PickUp, Trigger::BringBack])
        }
        DeliveryState::Failed => (&[O::Failed, O::Cancelled], &[Trigger::PickUp, Trigger::GiveUp]),
        DeliveryState::Unassignable => (&[O::Failed, O::Cancelled], &[Trigger::GiveUp]),
        DeliveryState::Scheduled
        | DeliveryState::Searching
        | DeliveryState::Offered
        | DeliveryState::Assigned
        | DeliveryState::AtPickup
        | DeliveryState::Cancelled => return None,
    };
    Some(Goal { states, triggers })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn outcome(goal: Option<Goal>, order: OrderState) -> String {
        match goal.map(|goal| goal.path_from(order)) {
            None => "-".to_owned(),
            Some(None) => "late".to_owned(),
            Some(Some(path)) if path.is_empty() => "is there".to_owned(),
            Some(Some(path)) => path.iter().map(|t| t.as_str()).collect::<Vec<_>>().join(", "),
        }
    }

    #[test]
    fn an_order_follows_its_ticket() {
        let mut out = String::new();
        for ticket in TicketState::ALL {
            for order in OrderState::ALL {
                writeln!(out, "{ticket:<20} {order:<16} {}", outcome(after_ticket(*ticket), *order)).unwrap();
            }
        }
        insta::assert_snapshot!(out);
    }

    #[test]
    fn an_order_follows_its_delivery() {
        let mut out = String::new();
        for delivery in DeliveryState::ALL {
            for order in OrderState::ALL {
                writeln!(out, "{delivery:<14} {order:<16} {}", outcome(after_delivery(*delivery), *order)).unwrap();
            }
        }
        insta::assert_snapshot!(out);
    }
}
