//! Moves each payment towards what its order wants: held while it waits, taken once the shop has accepted,
//! released when the order ends otherwise. It needs no input: a nudge says *look*, never *what*.
//!
//! One step: take the payment (one worker at a time, fenced) → ask → book the outcome, with the next operation noted.
//! What will be asked is noted before: usually by the transaction that made it necessary. Dying anywhere leaves a noted
//! operation; one that was asked before and has no answer is asked about before anything else.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use pannier_contracts::Lifecycle as _;
use pannier_contracts::order::OrderState;
use pannier_contracts::payment::PaymentState;
use pannier_platform::db::Bell;
use pannier_platform::{Cause, Conn, Db, Refusal, Stop, alarms};
use tokio::task::JoinSet;

use super::gateway::{Gateway, Operation, Said};
use crate::commands::advance::{Step, advance};
use crate::domain::lifecycle::{OrderLifecycle, PaymentLifecycle, PaymentTrigger, Trigger};
use crate::store;
use crate::store::orders::{Of, Order};
use crate::store::payments::{Payment, Taken};

/// How often due payments are looked for when nobody rang: retries, and what a killed process left.
const POLL: Duration = Duration::from_secs(1);
/// Payments that are worked on at once. No more are taken than can begin at once: their locks run from the taking.
const AT_ONCE: usize = 16;

/// Where an order wants its money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Held for us.
    Authorised,
    /// Ours.
    Captured,
    /// The customer's again.
    Released,
}

impl Target {
    /// What an order in this state wants.
    #[must_use]
    pub fn of(order: OrderState) -> Self {
        match order {
            OrderState::PendingPayment | OrderState::Paid => Self::Authorised,
            OrderState::Accepted | OrderState::Ready | OrderState::Delivering | OrderState::Delivered => Self::Captured,
            OrderState::Rejected | OrderState::Expired | OrderState::Cancelled | OrderState::Failed => Self::Released,
        }
    }
}

/// The operation that a payment in this state needs next for its order, if it needs one.
#[must_use]
pub fn wanted(payment: PaymentState, order: OrderState) -> Option<Operation> {
    match next(payment, Target::of(order), None) {
        Next::Perform(operation) => Some(operation),
        Next::Rest | Next::Ask(_) | Next::Close => None,
    }
}

/// The next thing to do about a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is where it should be, or nothing more can be done.
    Rest,
    /// An operation has no recorded answer: ask what became of it.
    Ask(Operation),
    /// Ask the gateway to do this.
    Perform(Operation),
    /// Nothing was ever asked: close it without the gateway.
    Close,
}

/// What to do, given where the money is, where it should be, and what is unanswered.
#[must_use]
pub fn next(payment: PaymentState, target: Target, unanswered: Option<Operation>) -> Next {
    use PaymentState as P;
    if let Some(operation) = unanswered {
        return Next::Ask(operation);
    }
    match (payment, target) {
        (P::Initiated, Target::Authorised | Target::Captured) => Next::Perform(Operation::Authorise),
        (P::Initiated, Target::Released) => Next::Close,
        (P::Authorised, Target::Captured) => Next::Perform(Operation::Capture),
        (P::Authorised, Target::Released) => Next::Perform(Operation::Void),
        (P::Captured | P::PartiallyRefunded, Target::Released) => Next::Perform(Operation::Refund),
        _ => Next::Rest,
    }
}

/// The task.
pub struct Reconciler<G> {
    db: Db,
    gateway: Arc<G>,
}

impl<G> Clone for Reconciler<G> {
    fn clone(&self) -> Self {
        Self { db: self.db.clone(), gateway: Arc::clone(&self.gateway) }
    }
}

impl<G: Gateway> Reconciler<G> {
    /// A reconciler that asks `gateway`.
    pub fn new(db: Db, gateway: Arc<G>) -> Self {
        Self { db, gateway }
    }

    /// Looks at what is due until `stop`; what is under way then is finished.
    pub async fn run(self, stop: Stop) {
        let bell = self.db.bell(Bell::Payments);
        let mut steps = JoinSet::new();
        loop {
            match self.take(AT_ONCE - steps.len()).await {
                Ok(taken) => {
                    for taken in taken {
                        let this = self.clone();
                        steps.spawn(async move { this.step(taken).await });
                    }
                }
                Err(refusal) => tracing::warn!(error = ?refusal, "payments cannot be looked at; trying again"),
            }
            let is_full = steps.len() == AT_ONCE;
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = steps.join_next(), if is_full => {}
                () = bell.notified(), if !is_full => {}
                () = tokio::time::sleep(POLL), if !is_full => {}
            }
            while steps.try_join_next().is_some() {}
        }
        while steps.join_next().await.is_some() {}
    }

    async fn take(&self, at_most: usize) -> Result<Vec<Taken>, Refusal> {
        // One statement, which commits by itself.
        self.db.read(move |conn| async move { store::payments::take_due(conn, at_most as i64).await }.boxed()).await
    }

    async fn step(&self, taken: Taken) {
        let order = taken.payment.order_id;
        if let Err(refusal) = self.try_step(taken).await {
            // Its lock runs out, then it is taken up again.
            tracing::warn!(order.id = %order, error = ?refusal, "the payment of order {order} could not be moved");
        }
    }

    /// One step of one payment that this worker has taken.
    async fn try_step(&self, taken: Taken) -> Result<(), Refusal> {
        let cause = Cause::continuing("reconciler", taken.traceparent.as_deref());
        let payment = taken.payment;
        let noted = match (&payment.operation, &payment.operation_key) {
            (Some(operation), Some(key)) => {
                let operation = operation.parse().map_err(|e| Refusal::Bug(anyhow::Error::new(e)))?;
                Some((operation, key.clone(), taken.was_asked))
            }
            _ => self.decide(&cause, &payment, taken.order).await?.map(|(operation, key)| (operation, key, false)),
        };
        let Some((operation, key, was_asked)) = noted else { return Ok(()) };
        let answer = if was_asked {
            self.gateway.ask(&key).await
        } else {
            self.gateway.perform(operation, &key, &payment).await
        };
        self.db
            .transaction(move |conn| {
                let asked = Asked { cause: cause.clone(), payment: payment.clone(), operation, key: key.clone() };
                let answer = answer.as_ref().map_err(ToString::to_string).cloned();
                async move {
                    match answer {
                        Ok(said) => record(conn, &asked, said).await,
                        Err(why) => lost_track(conn, &asked, &why).await,
                    }
                }
                .boxed()
            })
            .await
    }

    /// Nothing was noted: decides what to ask, and notes it. `None`: nothing to ask, or another worker has it.
    async fn decide(
        &self,
        cause: &Cause,
        payment: &Payment,
        order: OrderState,
    ) -> Result<Option<(Operation, String)>, Refusal> {
        let (cause, payment) = (cause.clone(), payment.clone());
        self.db
            .transaction(move |conn| {
                let (cause, payment) = (cause.clone(), payment.clone());
                async move {
                    match next(payment.state, Target::of(order), None) {
                        Next::Close => {
                            let to = step(payment.state, PaymentTrigger::Void)?;
                            store::payments::advance(conn, &cause, &payment, to, None).await?;
                        }
                        Next::Perform(operation) => {
                            let key = store::payments::operation_key(payment.id, operation, payment.attempt);
                            if store::payments::intend(conn, &payment, operation, &key).await? {
                                return Ok(Some((operation, key)));
                            }
                        }
                        Next::Rest | Next::Ask(_) => store::payments::rest(conn, &payment).await?,
                    }
                    Ok(None)
                }
                .boxed()
            })
            .await
    }
}

/// What was asked of the gateway.
struct Asked {
    cause: Cause,
    /// As it was taken, with its fence.
    payment: Payment,
    operation: Operation,
    key: String,
}

fn step(payment: PaymentState, trigger: PaymentTrigger) -> Result<PaymentState, Refusal> {
    PaymentLifecycle::next(payment, trigger).map_err(|e| Refusal::Bug(e.into()))
}

/// Books what the gateway said. The order is written before the payment: everybody locks in that order.
async fn record(conn: &mut Conn, asked: &Asked, said: Said) -> Result<(), Refusal> {
    let order = store::orders::load(conn, asked.payment.order_id, Of::Anyone).await?;
    if order.payment.operation_key.as_deref() != Some(&asked.key) {
        return record_late(conn, asked, &order, &said).await;
    }
    let payment = asked.payment.as_read(&order.payment);
    let trigger = match (&said, asked.operation) {
        (Said::Done, Operation::Authorise) => PaymentTrigger::Authorise,
        (Said::Done, Operation::Capture) => PaymentTrigger::Capture,
        (Said::Done, Operation::Void) => PaymentTrigger::Void,
        (Said::Done, Operation::Refund) => PaymentTrigger::Refund,
        (Said::NotKnown, _) if payment.state != PaymentState::Unknown => {
            // It never arrived, and the state never moved: forget the intent and decide again.
            return store::payments::forget_operation(conn, &payment).await;
        }
        (Said::NotKnown, Operation::Authorise) => PaymentTrigger::RetryAuthorise,
        (Said::NotKnown, Operation::Capture | Operation::Void) => PaymentTrigger::RetrySettle,
        (Said::NotKnown, Operation::Refund) => PaymentTrigger::RetryRefund,
        (Said::Refused(why), Operation::Refund | Operation::Void) => {
            // The customer's money is held or taken and should not be: a person must look, and we go on trying.
            alarms::raise(conn, "release_refused", "payment", payment.id.0, why).await?;
            return lost_track(conn, asked, why).await;
        }
        (Said::Refused(why), operation) => {
            tracing::warn!(order.id = %order.id, %operation, why, "the gateway refused");
            PaymentTrigger::Refuse
        }
    };
    let to = step(payment.state, trigger)?;
    if said == Said::Done {
        store::payments::book(conn, &payment, asked.operation.as_str(), &asked.key).await?;
        alarms::resolve(conn, payment.id.0).await?;
    }
    let mut order_state = order.state;
    if trigger == PaymentTrigger::Authorise && OrderLifecycle::table(order.state, Trigger::Pay).is_some() {
        order_state = advance(conn, &asked.cause, &order, Trigger::Pay, Step::default()).await?.state;
    }
    if trigger == PaymentTrigger::Refuse && asked.operation == Operation::Capture {
        // The order goes on: the food is being made. What is owed is written down, and somebody is told.
        store::payments::book(conn, &payment, "receivable", &format!("{}.receivable", asked.key)).await?;
        alarms::raise(conn, "capture_refused", "payment", payment.id.0, "the gateway refused the capture").await?;
    }
    store::payments::advance(conn, &asked.cause, &payment, to, wanted(to, order_state)).await?;
    Ok(())
}

/// An answer to an operation that is not noted any more: another worker has recorded it, or forgotten it because the
/// gateway did not know it yet. Money that moved is never dropped: the gateway is asked about it once more, and where
/// the payment is over, a person is told.
async fn record_late(conn: &mut Conn, asked: &Asked, order: &Order, said: &Said) -> Result<(), Refusal> {
    if *said != Said::Done || store::payments::is_booked(conn, &asked.key).await? {
        return Ok(());
    }
    let (id, operation) = (asked.payment.id, asked.operation);
    tracing::warn!(order.id = %order.id, %operation, key = asked.key, "the gateway's answer came late");
    if order.payment.operation_key.is_none() && !PaymentLifecycle::is_terminal(order.payment.state) {
        return store::payments::note_again(conn, id, operation, &asked.key).await;
    }
    let detail =
        format!("the gateway did {operation} after the payment was {}: look at its ledger", order.payment.state);
    alarms::raise(conn, "answer_late", "payment", id.0, &detail).await
}

/// No answer: the state says so, and the reconciler asks again later.
async fn lost_track(conn: &mut Conn, asked: &Asked, why: &str) -> Result<(), Refusal> {
    let order = store::orders::load(conn, asked.payment.order_id, Of::Anyone).await?;
    if order.payment.operation_key.as_deref() != Some(&asked.key) {
        return Ok(());
    }
    let payment = asked.payment.as_read(&order.payment);
    if let Some(to) = PaymentLifecycle::table(payment.state, PaymentTrigger::LoseTrack) {
        store::payments::lose_track(conn, &asked.cause, &payment, to).await?;
    }
    store::payments::postpone(conn, &asked.payment, why).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_reconciler_does_in_every_situation() {
        let mut table = String::new();
        for payment in PaymentState::ALL {
            for order in OrderState::ALL {
                let next = next(*payment, Target::of(*order), None);
                table.push_str(&format!("{payment:<20} {order:<16} {next:?}\n"));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn an_unanswered_operation_is_asked_about_before_anything_else() {
        for payment in PaymentState::ALL {
            for target in [Target::Authorised, Target::Captured, Target::Released] {
                for operation in Operation::ALL {
                    assert_eq!(next(*payment, target, Some(*operation)), Next::Ask(*operation));
                }
            }
        }
    }
}
