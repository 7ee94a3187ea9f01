//! How an order follows: from where it is to where its ticket's or its delivery's news says that it should be.

use pannier_contracts::catch_up;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::order::OrderState;
use pannier_contracts::ticket::TicketState;

use super::lifecycle::{OrderLifecycle, Trigger};

/// What news implies for an order: one of `states`, by these steps only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    states: &'static [OrderState],
    by: &'static [Trigger],
}

impl Wanted {
    /// The steps from where the order is; `None` when it has passed this news.
    #[must_use]
    pub fn path(self, from: OrderState) -> Option<Vec<Trigger>> {
        catch_up::<OrderLifecycle>(from, self.states, self.by)
    }
}

/// The kitchen's news: a ticket rejected by itself, a kitchen that is done. `None`: nothing for the order.
#[must_use]
pub const fn after_ticket(ticket: TicketState) -> Option<Wanted> {
    match ticket {
        TicketState::Rejected => Some(Wanted { states: &[OrderState::Rejected], by: &[Trigger::Reject] }),
        // A rider may have picked it up before the kitchen said so: then this is late and means nothing.
        TicketState::Ready => Some(Wanted { states: &[OrderState::Ready], by: &[Trigger::MarkReady] }),
        // Asked for before they happened, or decided by us: nothing to follow.
        TicketState::AwaitingAcceptance
        | TicketState::Accepted
        | TicketState::HandedOver
        | TicketState::Expired
        | TicketState::Cancelled => None,
    }
}

/// The rider's news. From pickup on the delivery decides, and the order walks the legal path to where it says.
#[must_use]
pub const fn after_delivery(delivery: DeliveryState) -> Option<Wanted> {
    use OrderState as O;
    let (states, by): (&'static [OrderState], &'static [Trigger]) = match delivery {
        DeliveryState::PickedUp | DeliveryState::AtDropoff => (&[O::Delivering, O::Delivered], &[Trigger::PickUp]),
        DeliveryState::Delivered => (&[O::Delivered], &[Trigger::PickUp, Trigger::Deliver]),
        DeliveryState::Returning | DeliveryState::Returned => {
            (&[O::Cancelled, O::Failed], &[Trigger::PickUp, Trigger::BringBack])
        }
        DeliveryState::Failed => (&[O::Failed, O::Cancelled], &[Trigger::PickUp, Trigger::GiveUp]),
        DeliveryState::Unassignable => (&[O::Failed, O::Cancelled], &[Trigger::GiveUp]),
        // Before pickup the order decides.
        DeliveryState::Scheduled
        | DeliveryState::Searching
        | DeliveryState::Offered
        | DeliveryState::Assigned
        | DeliveryState::AtPickup
        | DeliveryState::Cancelled => return None,
    };
    Some(Wanted { states, by })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn told(wanted: Option<Wanted>, order: OrderState) -> String {
        match wanted.map(|wanted| wanted.path(order)) {
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
                writeln!(out, "{ticket:<20} {order:<16} {}", told(after_ticket(*ticket), *order)).unwrap();
            }
        }
        insta::assert_snapshot!(out);
    }

    #[test]
    fn an_order_follows_its_delivery() {
        let mut out = String::new();
        for delivery in DeliveryState::ALL {
            for order in OrderState::ALL {
                writeln!(out, "{delivery:<14} {order:<16} {}", told(after_delivery(*delivery), *order)).unwrap();
            }
        }
        insta::assert_snapshot!(out);
    }
}
