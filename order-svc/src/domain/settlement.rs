//! Where an order wants its money, what the operations of its payment have led to, and what is to be done next. Pure.

use chrono::{DateTime, TimeDelta, Utc};
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
        /// Give back what was taken, or a part of it.
        Refund => "refund",
    }
}

text_enum! {
    /// How an operation ended.
    pub enum Ending {
        /// It took effect.
        Done => "done",
        /// It was refused, for good.
        Refused => "refused",
        /// The gateway does not know it, and it is not wanted any more. It may still take effect.
        NotFound => "not_found",
        /// It was never asked for.
        Withdrawn => "withdrawn",
    }
}

/// An operation of a payment, as far as it decides about money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What was asked for.
    pub kind: Operation,
    /// What it moves, minor units.
    pub amount: i64,
    /// How it ended, and when; `None` while it is open.
    pub ending: Option<(Ending, DateTime<Utc>)>,
    /// It is open, and a request or a question about it was not answered.
    pub is_unanswered: bool,
}

impl Step {
    fn has_ended(&self, kind: Operation, ending: Ending) -> bool {
        self.kind == kind && self.ending.is_some_and(|(how, _)| how == ending)
    }
}

/// Where an order wants its money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Held by the gateway.
    Authorised,
    /// With us.
    Captured,
    /// With the customer again: this share of it, percent.
    Released(i16),
}

impl Target {
    /// The target of an order in this state, which gives back `refund_share` percent if it has ended early.
    #[must_use]
    pub const fn of(order: OrderState, refund_share: i16) -> Self {
        match order {
            OrderState::PendingPayment | OrderState::Paid => Self::Authorised,
            OrderState::Accepted | OrderState::Ready | OrderState::Delivering | OrderState::Delivered => Self::Captured,
            OrderState::Rejected | OrderState::Expired | OrderState::Cancelled | OrderState::Failed => {
                Self::Released(refund_share)
            }
        }
    }
}

/// After a void that the gateway could not find anything for: how long until it is asked once more. An authorisation that
/// was sent may still be in its queues, longer than any call lasts.
pub const QUIET: TimeDelta = TimeDelta::minutes(10);
/// How often nothing has to be found before a payment counts as voided.
const LOOKS: usize = 2;

/// What the operations of a payment have led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The payment's state.
    pub state: PaymentState,
    /// What was taken, minor units.
    pub captured: i64,
    /// What was given back, minor units.
    pub refunded: i64,
}

/// Derives the state of a payment from its operations, oldest first.
#[must_use]
pub fn standing(steps: &[Step]) -> Standing {
    let sum = |kind| steps.iter().filter(|s| s.has_ended(kind, Ending::Done)).map(|s| s.amount).sum::<i64>();
    let (captured, refunded) = (sum(Operation::Capture), sum(Operation::Refund));
    Standing { state: state_of(steps, captured, refunded), captured, refunded }
}

fn state_of(steps: &[Step], captured: i64, refunded: i64) -> PaymentState {
    let any = |kind, ending| steps.iter().any(|s| s.has_ended(kind, ending));
    if steps.iter().any(|s| s.is_unanswered) {
        return PaymentState::Unknown;
    }
    if captured > 0 || any(Operation::Capture, Ending::Done) {
        return match refunded {
            0 => PaymentState::Captured,
            part if part < captured => PaymentState::PartiallyRefunded,
            _ => PaymentState::Refunded,
        };
    }
    if any(Operation::Void, Ending::Done) || found_nothing(steps) >= LOOKS {
        return PaymentState::Voided;
    }
    if any(Operation::Authorise, Ending::Done) {
        let last_capture = steps.iter().rev().find(|s| s.kind == Operation::Capture).and_then(|s| s.ending);
        return match last_capture {
            Some((Ending::Refused, _)) => PaymentState::Failed,
            _ => PaymentState::Authorised,
        };
    }
    let last = steps.iter().rev().find(|s| s.kind == Operation::Authorise).and_then(|s| s.ending);
    match last {
        None => PaymentState::Initiated,
        Some((Ending::Refused, _)) => PaymentState::Failed,
        Some((Ending::Withdrawn, _)) => PaymentState::Voided,
        // It may be held, and nobody knows.
        Some((Ending::NotFound | Ending::Done, _)) => PaymentState::Unknown,
    }
}

/// How often the gateway had nothing to void.
fn found_nothing(steps: &[Step]) -> usize {
    steps.iter().filter(|s| s.has_ended(Operation::Void, Ending::NotFound)).count()
}

/// What to do next about a payment of which no operation is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAction {
    /// Nothing: it is at its target, or no operation leads there.
    Rest,
    /// Ask the gateway to do this with this amount, minor units.
    Perform(Operation, i64),
    /// Look again at this time.
    LookAgain(DateTime<Utc>),
}

/// What a payment of `total` needs next for its order's target, after these operations, none of which is open.
#[must_use]
pub fn next_action(steps: &[Step], target: Target, total: i64, now: DateTime<Utc>) -> NextAction {
    let Standing { state, captured, refunded } = standing(steps);
    let Target::Released(share) = target else {
        return match (state, target) {
            (PaymentState::Initiated, _) => NextAction::Perform(Operation::Authorise, total),
            (PaymentState::Authorised, Target::Captured) => NextAction::Perform(Operation::Capture, total),
            _ => NextAction::Rest,
        };
    };
    let to_return = captured * i64::from(share) / 100 - refunded;
    let is_held = steps.iter().any(|s| s.has_ended(Operation::Authorise, Ending::Done));
    match state {
        PaymentState::Captured | PaymentState::PartiallyRefunded if to_return > 0 => {
            NextAction::Perform(Operation::Refund, to_return)
        }
        // What is kept has to be taken first. A refused capture was the last chance: the hold is released then.
        PaymentState::Authorised if share < 100 => NextAction::Perform(Operation::Capture, total),
        PaymentState::Authorised => NextAction::Perform(Operation::Void, total),
        PaymentState::Failed if is_held => NextAction::Perform(Operation::Void, total),
        // An authorisation may have happened, or may still: by our reference, and once more after a quiet time.
        PaymentState::Unknown => match last_look(steps).map(|at| at + QUIET) {
            Some(later) if later > now => NextAction::LookAgain(later),
            _ => NextAction::Perform(Operation::Void, total),
        },
        _ => NextAction::Rest,
    }
}

/// When the gateway last had nothing to void.
fn last_look(steps: &[Step]) -> Option<DateTime<Utc>> {
    let looks = steps.iter().filter(|s| s.has_ended(Operation::Void, Ending::NotFound));
    looks.filter_map(|s| s.ending.map(|(_, at)| at)).max()
}

/// The operation that a payment at rest surely needs for a new target, so that it can be intended with the change of the
/// order. Where more has to be known, [`next_action`] decides.
#[must_use]
pub const fn first_operation(payment: PaymentState, target: Target) -> Option<Operation> {
    match (payment, target) {
        (PaymentState::Authorised, Target::Captured) => Some(Operation::Capture),
        (PaymentState::Authorised, Target::Released(100)) => Some(Operation::Void),
        _ => None,
    }
}

/// Whether an open operation is still what the order's target asks for. If not, and it was never asked for, it is withdrawn.
#[must_use]
pub fn is_wanted(kind: Operation, target: Target) -> bool {
    match (kind, target) {
        (Operation::Authorise, Target::Released(_)) => false,
        (Operation::Capture, Target::Released(share)) => share < 100,
        _ => true,
    }
}

/// Whether a payment that nothing is scheduled for has something to be done, judged by the states alone.
#[must_use]
pub const fn needs_work(payment: PaymentState, order: OrderState) -> bool {
    use PaymentState as P;
    matches!(
        (payment, Target::of(order, 100)),
        (P::Initiated | P::Unknown, _)
            | (P::Authorised, Target::Captured | Target::Released(_))
            | (P::Captured | P::PartiallyRefunded, Target::Released(_))
    )
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
mod tests;
