//! Records what the gateway answered: ledger, payment and order in one transaction. The order is written before the
//! payment, as everywhere, so that their locks are taken in one order.

use pannier_contracts::Lifecycle as _;
use pannier_contracts::payment::PaymentState;
use pannier_platform::{Cause, Conn, Refusal, alarms};

use super::gateway::Answer;
use crate::commands::apply_trigger::{TransitionDetails, apply_trigger};
use crate::domain::lifecycle::{OrderLifecycle, PaymentLifecycle, PaymentTrigger, Trigger};
use crate::domain::settlement::{Operation, next_operation};
use crate::store::orders::VisibleTo;
use crate::store::payments::operations;
use crate::store::{self, Order, Payment};

/// An operation that the gateway was asked for or about.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The cause of what is recorded.
    pub cause: Cause,
    /// The payment as it was claimed.
    pub payment: Payment,
    /// The operation.
    pub operation: Operation,
    /// Its idempotency key.
    pub key: String,
}

impl Asked {
    async fn order(&self, conn: &mut Conn) -> Result<Order, Refusal> {
        store::orders::load(conn, self.payment.order_id, VisibleTo::Anyone).await
    }

    /// The payment of `order`, with the fence of this claim; `None` when another operation is noted by now, or none.
    fn still_pending(&self, order: &Order) -> Option<Payment> {
        let is_pending = order.payment.operation_key.as_deref() == Some(&self.key);
        is_pending.then(|| Payment { fence: self.payment.fence, ..order.payment.clone() })
    }
}

/// The state that a trigger leads to.
///
/// # Errors
/// [`Refusal::Bug`] when the lifecycle has no such transition.
pub fn next_state(payment: PaymentState, trigger: PaymentTrigger) -> Result<PaymentState, Refusal> {
    PaymentLifecycle::next(payment, trigger).map_err(|e| Refusal::Bug(e.into()))
}

/// Records an answer.
///
/// # Errors
/// [`Refusal::Conflict`] when a concurrent update won: record it again.
pub async fn record(conn: &mut Conn, asked: &Asked, answer: Answer) -> Result<(), Refusal> {
    let order = asked.order(conn).await?;
    let Some(payment) = asked.still_pending(&order) else {
        return record_late(conn, asked, &order, &answer).await;
    };
    let trigger = match (&answer, asked.operation) {
        (Answer::Done, Operation::Authorise) => PaymentTrigger::Authorise,
        (Answer::Done, Operation::Capture) => PaymentTrigger::Capture,
        (Answer::Done, Operation::Void) => PaymentTrigger::Void,
        (Answer::Done, Operation::Refund) => PaymentTrigger::Refund,
        // It never arrived, and the state never changed: decide again.
        (Answer::NotFound, _) if payment.state != PaymentState::Unknown => {
            return operations::clear(conn, &payment).await;
        }
        (Answer::NotFound, Operation::Authorise) => PaymentTrigger::RetryAuthorise,
        (Answer::NotFound, Operation::Capture | Operation::Void) => PaymentTrigger::RetrySettle,
        (Answer::NotFound, Operation::Refund) => PaymentTrigger::RetryRefund,
        (Answer::Refused(why), Operation::Refund | Operation::Void) => {
            // Money is held or taken that is the customer's: a person has to look, and it is tried again meanwhile.
            alarms::raise(conn, "release_refused", "payment", payment.id.0, why).await?;
            return record_no_answer(conn, asked, why).await;
        }
        (Answer::Refused(why), operation @ (Operation::Authorise | Operation::Capture)) => {
            tracing::warn!(order.id = %order.id, %operation, why, "the gateway refused");
            PaymentTrigger::Refuse
        }
    };
    let to = next_state(payment.state, trigger)?;
    if answer == Answer::Done {
        store::ledger::insert(conn, &payment, asked.operation.as_str(), &asked.key).await?;
        alarms::resolve(conn, payment.id.0).await?;
    }
    let mut order_state = order.state;
    if trigger == PaymentTrigger::Authorise && OrderLifecycle::table(order.state, Trigger::Pay).is_some() {
        order_state =
            apply_trigger(conn, &asked.cause, &order, Trigger::Pay, TransitionDetails::default()).await?.state;
    }
    if trigger == PaymentTrigger::Refuse && asked.operation == Operation::Capture {
        // The kitchen is working, so the order continues. The debt is booked, and a person has to look.
        let key = format!("{}.{}", asked.key, store::ledger::RECEIVABLE);
        store::ledger::insert(conn, &payment, store::ledger::RECEIVABLE, &key).await?;
        alarms::raise(conn, "capture_refused", "payment", payment.id.0, "the gateway refused the capture").await?;
    }
    store::payments::update(conn, &asked.cause, &payment, to, next_operation(to, order_state)).await
}

/// Records an answer to an operation that is not noted any more: another worker has recorded the same answer, or has
/// cleared the operation because the gateway did not know it yet. If money moved that is not in the ledger, the gateway
/// is asked about it once more; if the payment is over, a person has to look.
async fn record_late(conn: &mut Conn, asked: &Asked, order: &Order, answer: &Answer) -> Result<(), Refusal> {
    if *answer != Answer::Done || store::ledger::contains(conn, &asked.key).await? {
        return Ok(());
    }
    let (id, operation, payment) = (asked.payment.id, asked.operation, &order.payment);
    tracing::warn!(order.id = %order.id, %operation, key = asked.key, "the gateway's answer came late");
    if payment.operation.is_none() && !PaymentLifecycle::is_terminal(payment.state) {
        return operations::reinstate(conn, id, operation, &asked.key).await;
    }
    let detail = format!("the gateway did {operation} after the payment was {}: look at its ledger", payment.state);
    alarms::raise(conn, "answer_late", "payment", id.0, &detail).await
}

/// Records that no answer came: the payment's state is unknown, and the gateway is asked again later.
///
/// # Errors
/// [`Refusal::Conflict`] when a concurrent update won: record it again.
pub async fn record_no_answer(conn: &mut Conn, asked: &Asked, why: &str) -> Result<(), Refusal> {
    let order = asked.order(conn).await?;
    let Some(payment) = asked.still_pending(&order) else { return Ok(()) };
    if let Some(to) = PaymentLifecycle::table(payment.state, PaymentTrigger::BecomeUnknown) {
        operations::mark_unknown(conn, &asked.cause, &payment, to).await?;
    }
    operations::schedule_retry(conn, &payment, why).await
}
