//! The lifecycles of an order and of its payment, one table each.

use pannier_contracts::order::OrderState;
use pannier_contracts::payment::PaymentState;
use pannier_contracts::{Lifecycle, text_enum};
use rust_fsm::{StateMachineImpl as _, state_machine};

text_enum! {
    /// What can happen to an order.
    pub enum Trigger {
        /// The payment was authorised.
        Pay => "be_paid",
        /// The shop accepts it.
        Accept => "be_accepted",
        /// The kitchen has prepared it.
        MarkReady => "become_ready",
        /// A rider has it.
        PickUp => "be_picked_up",
        /// The customer has it.
        Deliver => "be_delivered",
        /// The shop rejects it.
        Reject => "be_rejected",
        /// The payment was not authorised in time.
        ExpirePayment => "expire_unpaid",
        /// The shop did not answer in time.
        ExpireAcceptance => "expire_unanswered",
        /// The customer cancels it.
        CustomerCancel => "be_cancelled_by_its_customer",
        /// The shop cancels what it had accepted.
        ShopCancel => "be_cancelled_by_its_shop",
        /// Operations cancel it.
        OpsCancel => "be_cancelled_by_operations",
        /// The rider brings it back to the shop.
        BringBack => "be_brought_back",
        /// It cannot be delivered.
        GiveUp => "be_given_up",
    }
}

state_machine! {
    #[state_machine(state(pannier_contracts::order::OrderState), input(crate::domain::lifecycle::Trigger))]
    order_table(PendingPayment)
    PendingPayment => {
        Pay => Paid,
        ExpirePayment => Expired,
        CustomerCancel => Cancelled,
        OpsCancel => Cancelled,
    },
    Paid => {
        Accept => Accepted,
        Reject => Rejected,
        ExpireAcceptance => Expired,
        CustomerCancel => Cancelled,
        OpsCancel => Cancelled,
    },
    // From here on the customer cannot cancel: the kitchen is working.
    Accepted => {
        MarkReady => Ready,
        PickUp => Delivering,
        ShopCancel => Cancelled,
        OpsCancel => Cancelled,
        GiveUp => Failed,
    },
    Ready => {
        PickUp => Delivering,
        OpsCancel => Cancelled,
        GiveUp => Failed,
    },
    // From here on the delivery decides, and the order follows it.
    Delivering => {
        Deliver => Delivered,
        BringBack => Cancelled,
        GiveUp => Failed,
    }
}

/// An order's lifecycle.
#[derive(Debug, Clone, Copy)]
pub struct OrderLifecycle;

impl Lifecycle for OrderLifecycle {
    type State = OrderState;
    type Trigger = Trigger;
    const NAME: &'static str = "order";
    fn states() -> &'static [OrderState] {
        OrderState::ALL
    }
    fn triggers() -> &'static [Trigger] {
        Trigger::ALL
    }
    fn table(from: OrderState, trigger: Trigger) -> Option<OrderState> {
        order_table::Impl::transition(&from, &trigger)
    }
}

text_enum! {
    /// What can happen to a payment.
    pub enum PaymentTrigger {
        /// The gateway holds the amount.
        Authorise => "be_authorised",
        /// The amount was taken.
        Capture => "be_captured",
        /// The hold was released.
        Void => "be_voided",
        /// Part of the amount was given back.
        RefundPart => "be_refunded_in_part",
        /// The whole amount was given back.
        Refund => "be_refunded",
        /// The gateway refused, for good.
        Refuse => "be_refused",
        /// An operation was asked for and not answered.
        BecomeUnknown => "become_unknown",
        /// The gateway does not know the unanswered authorisation.
        RetryAuthorise => "be_authorised_again",
        /// The gateway does not know the unanswered capture or void.
        RetrySettle => "be_settled_again",
        /// The gateway does not know the unanswered refund.
        RetryRefund => "be_refunded_again",
        /// The customer tries another method.
        TryAgain => "be_tried_again",
    }
}

state_machine! {
    #[state_machine(state(pannier_contracts::payment::PaymentState), input(crate::domain::lifecycle::PaymentTrigger))]
    payment_table(Initiated)
    Initiated => {
        Authorise => Authorised,
        Refuse => Failed,
        BecomeUnknown => Unknown,
        // The gateway was not asked yet: there is nothing to release.
        Void => Voided,
    },
    Authorised => {
        Capture => Captured,
        Void => Voided,
        Refuse => Failed,
        BecomeUnknown => Unknown,
    },
    Captured => {
        RefundPart => PartiallyRefunded,
        Refund => Refunded,
        BecomeUnknown => Unknown,
    },
    PartiallyRefunded => {
        RefundPart => PartiallyRefunded,
        Refund => Refunded,
        BecomeUnknown => Unknown,
    },
    Unknown => {
        Authorise => Authorised,
        Capture => Captured,
        Void => Voided,
        Refund => Refunded,
        RefundPart => PartiallyRefunded,
        Refuse => Failed,
        RetryAuthorise => Initiated,
        RetrySettle => Authorised,
        RetryRefund => Captured,
    },
    Failed => {
        TryAgain => Initiated,
        // A capture was refused: another attempt takes it, or the hold is released because the order has ended.
        Capture => Captured,
        Void => Voided,
        BecomeUnknown => Unknown,
    },
    // The gateway had nothing to void, and an authorisation or a capture arrived long after. It is released again.
    Voided => {
        Authorise => Authorised,
        Capture => Captured,
    }
}

/// A payment's lifecycle.
#[derive(Debug, Clone, Copy)]
pub struct PaymentLifecycle;

impl Lifecycle for PaymentLifecycle {
    type State = PaymentState;
    type Trigger = PaymentTrigger;
    const NAME: &'static str = "payment";
    fn states() -> &'static [PaymentState] {
        PaymentState::ALL
    }
    fn triggers() -> &'static [PaymentTrigger] {
        PaymentTrigger::ALL
    }
    fn table(from: PaymentState, trigger: PaymentTrigger) -> Option<PaymentState> {
        payment_table::Impl::transition(&from, &trigger)
    }
}

/// Whether an order in this state ended before the customer had it. The column `has_ended_early` says the same.
#[must_use]
pub fn has_ended_early(state: OrderState) -> bool {
    OrderLifecycle::is_terminal(state) && state != OrderState::Delivered
}

/// What an order's customer may do in this state, in the words of the API.
#[must_use]
pub fn customer_actions(state: OrderState) -> Vec<String> {
    let mut actions = Vec::new();
    if OrderLifecycle::table(state, Trigger::CustomerCancel).is_some() {
        actions.push("cancel".to_owned());
    }
    if state == OrderState::PendingPayment {
        actions.push("pay".to_owned());
    }
    actions
}

/// What an order's shop may do in this state.
#[must_use]
pub fn shop_actions(state: OrderState) -> Vec<String> {
    [(Trigger::Accept, "accept"), (Trigger::Reject, "reject"), (Trigger::ShopCancel, "cancel")]
        .into_iter()
        .filter(|(trigger, _)| OrderLifecycle::table(state, *trigger).is_some())
        .map(|(_, action)| action.to_owned())
        .collect()
}

/// What operations may do in this state.
#[must_use]
pub fn ops_actions(state: OrderState) -> Vec<String> {
    if OrderLifecycle::table(state, Trigger::OpsCancel).is_some() { vec!["cancel".to_owned()] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_table() {
        insta::assert_snapshot!(OrderLifecycle::print());
    }

    #[test]
    fn the_payment_table() {
        insta::assert_snapshot!(PaymentLifecycle::print());
    }

    /// rust-fsm takes the first of two equal (state, trigger) pairs and reports nothing.
    #[test]
    fn no_pair_is_listed_twice() {
        let source = include_str!("lifecycle.rs").split("#[cfg(test)]").next().unwrap();
        for table in source.split("state_machine! {").skip(1) {
            let table = table.split("\n}\n").next().unwrap();
            let mut seen = std::collections::BTreeSet::new();
            let mut state = String::new();
            for line in table.lines().map(str::trim).filter(|l| !l.starts_with("//")) {
                let Some((left, _)) = line.split_once("=>") else { continue };
                let left = left.trim();
                if line.ends_with('{') {
                    state = left.to_owned();
                } else if let Some((s, trigger)) = left.split_once('(') {
                    assert!(seen.insert((s.to_owned(), trigger.trim_end_matches(')').to_owned())), "{left} twice");
                } else {
                    assert!(seen.insert((state.clone(), left.to_owned())), "{state} × {left} twice");
                }
            }
            assert!(seen.len() > 10, "the table was read");
        }
    }
}
