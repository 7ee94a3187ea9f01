//! Where an order wants its money, and the operation that gets it there.

use pannier_contracts::order::OrderState;
use pannier_contracts::payment::PaymentState;
use pannier_contracts::text_enum;

text_enum! {
    /// What a payment gateway can be asked to do.
    pub enum Operation {
        /// Hold the amount.
        Authorise => "authorise",
        /// Take the amount that is held.
        Capture => "capture",
        /// Release the amount that is held.
        Void => "void",
        /// Give back the amount that was taken.
        Refund => "refund",
    }
}

/// Where an order wants its money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Held by the gateway.
    Authorised,
    /// With us.
    Captured,
    /// With the customer again.
    Released,
}

impl Target {
    /// The target of an order in this state.
    #[must_use]
    pub const fn of(order: OrderState) -> Self {
        match order {
            OrderState::PendingPayment | OrderState::Paid => Self::Authorised,
            OrderState::Accepted | OrderState::Ready | OrderState::Delivering | OrderState::Delivered => Self::Captured,
            OrderState::Rejected | OrderState::Expired | OrderState::Cancelled | OrderState::Failed => Self::Released,
        }
    }
}

/// What to do next about a payment of which no operation is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAction {
    /// Nothing: it is at its target, or no operation leads there.
    Wait,
    /// Ask the gateway for this operation.
    Perform(Operation),
    /// Close it here: the gateway was never asked for anything.
    Close,
}

/// What a payment in this state needs next for an order in this state.
#[must_use]
pub const fn next_action(payment: PaymentState, order: OrderState) -> NextAction {
    use PaymentState as P;
    match (payment, Target::of(order)) {
        (P::Initiated, Target::Authorised | Target::Captured) => NextAction::Perform(Operation::Authorise),
        (P::Initiated, Target::Released) => NextAction::Close,
        (P::Authorised, Target::Captured) => NextAction::Perform(Operation::Capture),
        (P::Authorised, Target::Released) => NextAction::Perform(Operation::Void),
        (P::Captured | P::PartiallyRefunded, Target::Released) => NextAction::Perform(Operation::Refund),
        (P::Authorised, Target::Authorised)
        | (P::Captured | P::PartiallyRefunded, Target::Authorised | Target::Captured)
        | (P::Refunded | P::Voided | P::Failed | P::Unknown, _) => NextAction::Wait,
    }
}

/// The operation that [`next_action`] asks for, if any.
#[must_use]
pub const fn next_operation(payment: PaymentState, order: OrderState) -> Option<Operation> {
    match next_action(payment, order) {
        NextAction::Perform(operation) => Some(operation),
        NextAction::Wait | NextAction::Close => None,
    }
}

/// Whether the money may still go either way: neither taken nor let go. The index `payments_open` has these payments.
#[must_use]
pub const fn is_open(payment: PaymentState) -> bool {
    match payment {
        PaymentState::Initiated | PaymentState::Authorised | PaymentState::Unknown => true,
        PaymentState::Captured
        | PaymentState::PartiallyRefunded
        | PaymentState::Refunded
        | PaymentState::Voided
        | PaymentState::Failed => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::lifecycle::has_ended_early;
    use super::*;

    #[test]
    fn what_a_payment_needs_for_its_order() {
        let mut table = String::new();
        for payment in PaymentState::ALL {
            for order in OrderState::ALL {
                writeln!(table, "{payment:<20} {order:<16} {:?}", next_action(*payment, *order)).unwrap();
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn money_is_released_when_an_order_ends_before_the_door() {
        for order in OrderState::ALL {
            assert_eq!(Target::of(*order) == Target::Released, has_ended_early(*order), "{order}");
        }
    }
}
