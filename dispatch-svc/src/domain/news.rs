//! What an order's state means for its delivery.

use pannier_contracts::catch_up;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::order::OrderState;

use super::lifecycle::{DeliveryLifecycle, Trigger, is_before_pickup};

/// What is to be done about news of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// All is as it should be.
    Nothing,
    /// It needs a delivery.
    Open,
    /// Its times may have changed.
    Replan,
    /// It ended: these steps take the delivery there.
    Walk(Vec<Trigger>),
    /// It ended after the customer had it: somebody must look at the money.
    TooLate,
}

/// The delivery follows the order until pickup; from pickup on it decides, and only the order's end is listened to.
#[must_use]
pub fn step(delivery: Option<DeliveryState>, order: OrderState) -> Step {
    use OrderState::{
        Accepted, Cancelled, Delivered, Delivering, Expired, Failed, Paid, PendingPayment, Ready, Rejected,
    };
    match (order, delivery) {
        // We told them so ourselves, or they have not told us anything yet.
        (PendingPayment | Paid | Delivering | Delivered, _) => Step::Nothing,
        (Accepted | Ready, None) => Step::Open,
        (Accepted | Ready, Some(state)) if is_before_pickup(state) => Step::Replan,
        (Accepted | Ready, Some(_)) => Step::Nothing,
        // Ended before we heard of it: the applied row keeps older news out.
        (Rejected | Expired | Cancelled | Failed, None) => Step::Nothing,
        (Rejected | Expired | Cancelled | Failed, Some(state)) => {
            use DeliveryState as D;
            let ended = [D::Cancelled, D::Returning, D::Returned, D::Failed, D::Unassignable];
            match catch_up::<DeliveryLifecycle>(state, &ended, &[Trigger::Cancel, Trigger::TurnBack]) {
                None => Step::TooLate,
                Some(path) if path.is_empty() => Step::Nothing,
                Some(path) => Step::Walk(path),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pannier_contracts::topology::ROUTES;

    use super::*;

    /// What the queue does not get would have changed nothing: what ends before it is accepted never had a delivery.
    #[test]
    fn what_is_not_subscribed_to_changes_nothing() {
        let takes = |kind: &str| ROUTES.iter().any(|route| route.queue == "dispatch.order" && route.takes(kind));
        for order in OrderState::ALL {
            let word = if *order == OrderState::PendingPayment { "placed" } else { order.as_str() };
            if takes(&format!("order.{word}.v1")) {
                continue;
            }
            let reachable = std::iter::once(None).chain(DeliveryState::ALL.iter().copied().map(Some));
            let before_acceptance = matches!(order, OrderState::Rejected | OrderState::Expired);
            for delivery in reachable.filter(|delivery| !before_acceptance || delivery.is_none()) {
                assert_eq!(step(delivery, *order), Step::Nothing, "{delivery:?} × {order}");
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
                out.push_str(&format!("{name:<14} order {order:<16} {:?}\n", step(delivery, *order)));
            }
        }
        insta::assert_snapshot!(out);
    }
}
