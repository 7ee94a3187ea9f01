//! How a delivery follows its order: what an order's state means for it, for every pair of states.

use pannier_contracts::catch_up;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::order::OrderState;

use super::lifecycle::{DeliveryLifecycle, Trigger, is_before_pickup};

/// What an event of an order requires of its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing: the delivery agrees with the order, or decides itself.
    None,
    /// Open a delivery.
    Open,
    /// Take over the order's times.
    Replan,
    /// Apply these triggers: the order ended.
    Apply(Vec<Trigger>),
    /// Raise an alarm: the order ended after the customer had it, and the money needs a person.
    TooLate,
}

/// What an event requires. The delivery follows the order until pickup; from then on only the order's end concerns it.
#[must_use]
pub fn action(delivery: Option<DeliveryState>, order: OrderState) -> Action {
    use OrderState::{
        Accepted, Cancelled, Delivered, Delivering, Expired, Failed, Paid, PendingPayment, Ready, Rejected,
    };
    match (order, delivery) {
        // Too early for a delivery, or caused by an event of the delivery itself.
        (PendingPayment | Paid | Delivering | Delivered, _) => Action::None,
        (Accepted | Ready, None) => Action::Open,
        (Accepted | Ready, Some(state)) if is_before_pickup(state) => Action::Replan,
        (Accepted | Ready, Some(_)) => Action::None,
        // Ended before we heard of it. An older event that arrives later is not applied: `applied` has this version.
        (Rejected | Expired | Cancelled | Failed, None) => Action::None,
        (Rejected | Expired | Cancelled | Failed, Some(state)) => {
            use DeliveryState as D;
            let ended = [D::Cancelled, D::Returning, D::Returned, D::Failed, D::Unassignable];
            match catch_up::<DeliveryLifecycle>(state, &ended, &[Trigger::Cancel, Trigger::TurnBack]) {
                None => Action::TooLate,
                Some(path) if path.is_empty() => Action::None,
                Some(path) => Action::Apply(path),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pannier_contracts::topology::ROUTES;

    use super::*;

    /// Events that the queue does not receive would change nothing: an order that ends before acceptance has no delivery.
    #[test]
    fn events_outside_the_subscription_change_nothing() {
        let takes = |kind: &str| ROUTES.iter().any(|route| route.queue == "dispatch.order" && route.takes(kind));
        for order in OrderState::ALL {
            let word = if *order == OrderState::PendingPayment { "placed" } else { order.as_str() };
            if takes(&format!("order.{word}.v1")) {
                continue;
            }
            let reachable = std::iter::once(None).chain(DeliveryState::ALL.iter().copied().map(Some));
            let before_acceptance = matches!(order, OrderState::Rejected | OrderState::Expired);
            for delivery in reachable.filter(|delivery| !before_acceptance || delivery.is_none()) {
                assert_eq!(action(delivery, *order), Action::None, "{delivery:?} × {order}");
            }
        }
    }

    #[test]
    fn every_delivery_state_and_every_order_state() {
        let mut out = String::new();
        let states = std::iter::once(None).chain(DeliveryState::ALL.iter().copied().map(Some));
        for delivery in states {
            let name = delivery.map_or("(none)", DeliveryState::as_str);
            for order in OrderState::ALL {
                out.push_str(&format!("{name:<14} order {order:<16} {:?}\n", action(delivery, *order)));
            }
        }
        insta::assert_snapshot!(out);
    }
}
