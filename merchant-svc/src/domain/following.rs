//! How a ticket follows: from where it is to where news of its order or its delivery says that it should be.

use chrono::{DateTime, Utc};
use pannier_contracts::catch_up;
use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_contracts::ticket::TicketState;
use serde::Deserialize;

use super::lifecycle::{TicketLifecycle, Trigger};

/// What a ticket needs to know of its order, from an event or from order-svc's answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OrderNow {
    /// Where the order is.
    pub state: OrderState,
    /// When the kitchen means to be done.
    #[serde(default)]
    pub ready_at: Option<DateTime<Utc>>,
    /// Why it ended early.
    #[serde(default)]
    pub reason: Option<String>,
}

impl From<&OrderSnapshot> for OrderNow {
    fn from(order: &OrderSnapshot) -> Self {
        Self { state: order.state, ready_at: order.ready_at, reason: order.reason.clone() }
    }
}

/// The delivery as a ticket sees it: on its way, whatever happens then.
impl From<&DeliverySnapshot> for OrderNow {
    fn from(delivery: &DeliverySnapshot) -> Self {
        Self { state: OrderState::Delivering, ready_at: Some(delivery.ready_at), reason: None }
    }
}

/// The steps by which a ticket follows its order; `None` when it has passed this news.
#[must_use]
pub fn way(ticket: TicketState, order: OrderState) -> Option<Vec<Trigger>> {
    use TicketState as T;
    let (wanted, may): (&[TicketState], &[Trigger]) = match order {
        // The ticket is there, and that is all that was asked for.
        OrderState::PendingPayment | OrderState::Paid => (T::ALL, &[]),
        // The kitchen may be further than its order knows: we told it, our news is on its way.
        OrderState::Accepted => (&[T::Accepted, T::Ready, T::HandedOver], &[Trigger::Accept]),
        OrderState::Ready => (&[T::Ready, T::HandedOver], &[Trigger::Accept, Trigger::MarkReady]),
        OrderState::Delivering | OrderState::Delivered => (&[T::HandedOver], &[Trigger::Accept, Trigger::HandOver]),
        OrderState::Rejected => (&[T::Rejected], &[Trigger::Reject]),
        OrderState::Expired => (&[T::Expired], &[Trigger::Expire]),
        // An order that ends on the road leaves its ticket handed over.
        OrderState::Cancelled | OrderState::Failed => (&[T::Cancelled, T::HandedOver], &[Trigger::Cancel]),
    };
    catch_up::<TicketLifecycle>(ticket, wanted, may)
}

/// Does an order without a ticket need one? Not before it is paid, and not when it ended without the kitchen.
#[must_use]
pub const fn needs_ticket(order: OrderState) -> bool {
    matches!(
        order,
        OrderState::Paid | OrderState::Accepted | OrderState::Ready | OrderState::Delivering | OrderState::Delivered
    )
}

/// Has the food left the shop?
#[must_use]
pub const fn has_left(delivery: DeliveryState) -> bool {
    matches!(
        delivery,
        DeliveryState::PickedUp
            | DeliveryState::AtDropoff
            | DeliveryState::Delivered
            | DeliveryState::Returning
            | DeliveryState::Returned
    )
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use pannier_contracts::Lifecycle as _;
    use pannier_contracts::topology::ROUTES;

    fn told(way: Option<Vec<Trigger>>) -> String {
        match way {
            None => "late".to_owned(),
            Some(way) if way.is_empty() => "-".to_owned(),
            Some(way) => way.iter().map(|t| t.as_str()).collect::<Vec<_>>().join(", "),
        }
    }

    /// What news of an order does to its ticket, for every pair.
    #[test]
    fn a_ticket_follows_its_order() {
        let mut out = String::new();
        for order in OrderState::ALL {
            let opening = if needs_ticket(*order) {
                format!("open, {}", told(way(TicketState::AwaitingAcceptance, *order)))
            } else {
                "-".to_owned()
            };
            writeln!(out, "{order:<16} {:<20} {opening}", "no ticket").unwrap();
            for ticket in TicketState::ALL {
                writeln!(out, "{order:<16} {ticket:<20} {}", told(way(*ticket, *order))).unwrap();
            }
        }
        insta::assert_snapshot!(out);
    }

    /// What news of a delivery does to the ticket, for every pair.
    #[test]
    fn a_ticket_follows_its_delivery() {
        let mut out = String::new();
        for delivery in DeliveryState::ALL {
            for ticket in TicketState::ALL {
                let told =
                    if has_left(*delivery) { told(way(*ticket, OrderState::Delivering)) } else { "-".to_owned() };
                writeln!(out, "{delivery:<16} {ticket:<20} {told}").unwrap();
            }
        }
        insta::assert_snapshot!(out);
    }

    /// What the queue does not get would have changed nothing, or is made good by what it does get: whatever is delivered
    /// was on its way first, and was picked up.
    #[test]
    fn what_is_not_subscribed_to_changes_nothing() {
        let takes = |queue: &str, kind: String| ROUTES.iter().any(|r| r.queue == queue && r.takes(&kind));
        for order in OrderState::ALL {
            let word = if *order == OrderState::PendingPayment { "placed" } else { order.as_str() };
            if takes("merchant.order", format!("order.{word}.v1")) || *order == OrderState::Delivered {
                continue;
            }
            for ticket in TicketState::ALL {
                let steps = way(*ticket, *order);
                // The kitchen says when it is ready, and is never told.
                let is_own = *order == OrderState::Ready;
                assert!(is_own || steps.is_none_or(|steps| steps.is_empty()), "{ticket} × {order}");
            }
        }
        assert!(takes("merchant.order", "order.delivering.v1".to_owned()));
        for delivery in DeliveryState::ALL.iter().filter(|delivery| !has_left(**delivery)) {
            assert!(!takes("merchant.delivery", format!("delivery.{delivery}.v1")), "{delivery}");
        }
        assert!(takes("merchant.delivery", "delivery.picked_up.v1".to_owned()));
    }

    /// Following is walking the table: every way ends where it should, by legal steps, and is not needed twice.
    #[test]
    fn every_way_is_legal_and_ends() {
        for (order, ticket) in OrderState::ALL.iter().flat_map(|o| TicketState::ALL.iter().map(move |t| (*o, *t))) {
            let Some(steps) = way(ticket, order) else { continue };
            let end = steps.iter().fold(ticket, |at, step| TicketLifecycle::next(at, *step).unwrap());
            assert_eq!(way(end, order), Some(Vec::new()), "{ticket} × {order}");
        }
    }
}
