//! How a ticket follows its order, and its delivery once the food has left the shop.

use chrono::{DateTime, Utc};
use pannier_contracts::catch_up;
use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_contracts::ticket::TicketState;
use serde::Deserialize;

use super::lifecycle::{TicketLifecycle, Trigger};

/// The state that a ticket follows. It comes from an event of the order, from order-svc's answer to the shop, or from an
/// event of a delivery that has left the shop.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OrderUpdate {
    /// The order's state, or `delivering` when a delivery reports.
    pub state: OrderState,
    /// When the food will be ready; known from acceptance on.
    #[serde(default)]
    pub ready_at: Option<DateTime<Utc>>,
    /// Why the order ended before the door.
    #[serde(default)]
    pub reason: Option<String>,
}

impl From<&OrderSnapshot> for OrderUpdate {
    fn from(order: &OrderSnapshot) -> Self {
        Self { state: order.state, ready_at: order.ready_at, reason: order.reason.clone() }
    }
}

/// Of a delivery that [has left the shop](has_left_shop). For the ticket it is handed over, whatever happens on the road.
impl From<&DeliverySnapshot> for OrderUpdate {
    fn from(delivery: &DeliverySnapshot) -> Self {
        Self { state: OrderState::Delivering, ready_at: Some(delivery.ready_at), reason: None }
    }
}

/// The triggers that bring a ticket to where its order is: empty when it is there, `None` when it has passed that state.
#[must_use]
pub fn path(ticket: TicketState, order: OrderState) -> Option<Vec<Trigger>> {
    use TicketState as T;
    let (wanted, allowed): (&[TicketState], &[Trigger]) = match order {
        // That the ticket exists is enough.
        OrderState::PendingPayment | OrderState::Paid => (T::ALL, &[]),
        // The ticket may be ahead: order-svc has not read its events yet.
        OrderState::Accepted => (&[T::Accepted, T::Ready, T::HandedOver], &[Trigger::Accept]),
        OrderState::Ready => (&[T::Ready, T::HandedOver], &[Trigger::Accept, Trigger::MarkReady]),
        OrderState::Delivering | OrderState::Delivered => (&[T::HandedOver], &[Trigger::Accept, Trigger::HandOver]),
        OrderState::Rejected => (&[T::Rejected], &[Trigger::Reject]),
        OrderState::Expired => (&[T::Expired], &[Trigger::Expire]),
        // An order that ends after pickup leaves its ticket handed over.
        OrderState::Cancelled | OrderState::Failed => (&[T::Cancelled, T::HandedOver], &[Trigger::Cancel]),
    };
    catch_up::<TicketLifecycle>(ticket, wanted, allowed)
}

/// Whether an order that has no ticket needs one: not before it is paid, and not after it ended early.
#[must_use]
pub const fn needs_ticket(order: OrderState) -> bool {
    matches!(
        order,
        OrderState::Paid | OrderState::Accepted | OrderState::Ready | OrderState::Delivering | OrderState::Delivered
    )
}

/// Whether the rider has taken the food.
#[must_use]
pub const fn has_left_shop(delivery: DeliveryState) -> bool {
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

    fn printed(path: Option<Vec<Trigger>>) -> String {
        match path {
            None => "late".to_owned(),
            Some(path) if path.is_empty() => "-".to_owned(),
            Some(path) => path.iter().map(|t| t.as_str()).collect::<Vec<_>>().join(", "),
        }
    }

    /// What an event of an order does to its ticket, for every pair of states.
    #[test]
    fn a_ticket_follows_its_order() {
        let mut out = String::new();
        for order in OrderState::ALL {
            let opening = if needs_ticket(*order) {
                format!("open, {}", printed(path(TicketState::AwaitingAcceptance, *order)))
            } else {
                "-".to_owned()
            };
            writeln!(out, "{order:<16} {:<20} {opening}", "no ticket").unwrap();
            for ticket in TicketState::ALL {
                writeln!(out, "{order:<16} {ticket:<20} {}", printed(path(*ticket, *order))).unwrap();
            }
        }
        insta::assert_snapshot!(out);
    }

    /// What an event of a delivery does to the ticket, for every pair of states.
    #[test]
    fn a_ticket_follows_its_delivery() {
        let mut out = String::new();
        for delivery in DeliveryState::ALL {
            for ticket in TicketState::ALL {
                let line = if has_left_shop(*delivery) {
                    printed(path(*ticket, OrderState::Delivering))
                } else {
                    "-".to_owned()
                };
                writeln!(out, "{delivery:<16} {ticket:<20} {line}").unwrap();
            }
        }
        insta::assert_snapshot!(out);
    }

    /// The queues get every event that can change a ticket. The one exception is `delivered`: `delivering` comes before it
    /// and has the same effect.
    #[test]
    fn what_is_not_subscribed_to_changes_nothing() {
        let takes = |queue: &str, kind: String| ROUTES.iter().any(|r| r.queue == queue && r.takes(&kind));
        for order in OrderState::ALL {
            let word = if *order == OrderState::PendingPayment { "placed" } else { order.as_str() };
            if takes("merchant.order", format!("order.{word}.v1")) || *order == OrderState::Delivered {
                continue;
            }
            for ticket in TicketState::ALL {
                let path = path(*ticket, *order);
                // The order became ready because its ticket did.
                let is_own = *order == OrderState::Ready;
                assert!(is_own || path.is_none_or(|path| path.is_empty()), "{ticket} × {order}");
            }
        }
        assert!(takes("merchant.order", "order.delivering.v1".to_owned()));
        for delivery in DeliveryState::ALL.iter().filter(|delivery| !has_left_shop(**delivery)) {
            assert!(!takes("merchant.delivery", format!("delivery.{delivery}.v1")), "{delivery}");
        }
        assert!(takes("merchant.delivery", "delivery.picked_up.v1".to_owned()));
    }

    /// Every path has legal transitions only, and at its end there is nothing left to do.
    #[test]
    fn every_path_is_legal_and_ends() {
        for (order, ticket) in OrderState::ALL.iter().flat_map(|o| TicketState::ALL.iter().map(move |t| (*o, *t))) {
            let Some(triggers) = path(ticket, order) else { continue };
            let end = triggers.iter().fold(ticket, |at, trigger| TicketLifecycle::next(at, *trigger).unwrap());
            assert_eq!(path(end, order), Some(Vec::new()), "{ticket} × {order}");
        }
    }
}
