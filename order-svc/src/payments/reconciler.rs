//! Moves each payment towards what its order wants: held while it waits, taken once the shop has accepted,
//! released when the order ends otherwise. It needs no input: a nudge says *look*, never *what*.
//!
//! One step: take the payment (one worker at a time) → note what will be asked → ask → book the outcome.
//! Dying anywhere leaves a noted operation; the next worker asks the gateway what became of it before it acts.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use pannier_contracts::order::OrderState;
use pannier_contracts::payment::PaymentState;
use pannier_contracts::{Lifecycle as _, OrderId};
use pannier_platform::db::Bell;
use pannier_platform::{Cause, Conn, Db, Refusal, Stop, alarms, event_log};

use super::gateway::{Gateway, Operation, Said};
use crate::commands::advance::{Step, advance};
use crate::domain::lifecycle::{OrderLifecycle, PaymentLifecycle, PaymentTrigger, Trigger};
use crate::store;
use crate::store::orders::Of;
use crate::store::payments::Payment;

const POLL: Duration = Duration::from_millis(500);
const BATCH: i64 = 32;
const AT_ONCE: usize = 8;

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
#[derive(Clone)]
pub struct Reconciler<G> {
    db: Db,
    gateway: Arc<G>,
}

impl<G: Gateway> Reconciler<G> {
    /// A reconciler that asks `gateway`.
    pub fn new(db: Db, gateway: Arc<G>) -> Self {
        Self { db, gateway }
    }

    /// Looks at what is due until `stop`.
    pub async fn run(self, stop: Stop) {
        let bell = self.db.bell(Bell::Payments);
        loop {
            match self.turn().await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(refusal) => tracing::warn!(error = ?refusal, "payments cannot be looked at; trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = bell.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    async fn turn(&self) -> Result<usize, Refusal> {
        if !self.db.read(|conn| store::payments::any_due(conn).boxed()).await? {
            return Ok(0);
        }
        let due =
            self.db.transaction(|conn| async move { store::payments::take_due(conn, BATCH).await }.boxed()).await?;
        let count = due.len();
        futures::stream::iter(due)
            .for_each_concurrent(AT_ONCE, |order| async move {
                if let Err(refusal) = self.step(order).await {
                    // Its lock runs out, then it is taken up again.
                    tracing::warn!(order.id = %order, error = ?refusal, "the payment of order {order} could not be moved");
                }
            })
            .await;
        Ok(count)
    }

    /// One step of one payment that this worker has taken.
    async fn step(&self, id: OrderId) -> Result<(), Refusal> {
        let Some((payment, next)) = self.intend(id).await? else { return Ok(()) };
        let key = payment.operation_key.clone().unwrap_or_default();
        let (operation, answer) = match next {
            Next::Ask(operation) => (operation, self.gateway.ask(&key).await),
            Next::Perform(operation) => (operation, self.gateway.perform(operation, &key, &payment).await),
            Next::Rest | Next::Close => return Ok(()),
        };
        self.db
            .transaction(move |conn| {
                let (payment, answer) = (payment.clone(), answer.as_ref().map_err(ToString::to_string).cloned());
                async move {
                    match answer {
                        Ok(said) => record(conn, &payment, operation, said).await,
                        Err(why) => lost_track(conn, &payment, &why).await,
                    }
                }
                .boxed()
            })
            .await
    }

    /// Decides what to ask and notes it, before it is asked. `None`: nothing to ask.
    async fn intend(&self, id: OrderId) -> Result<Option<(Payment, Next)>, Refusal> {
        self.db
            .transaction(move |conn| {
                async move {
                    // The payment first: whoever moves the order after this also wakes the payment, and that is seen.
                    let mut payment = store::payments::of_order(conn, id).await?;
                    let order = store::orders::load(conn, id, Of::Anyone).await?;
                    let unanswered = payment.operation.as_deref().and_then(|o| o.parse().ok());
                    let next = next(payment.state, Target::of(order.state), unanswered);
                    match next {
                        Next::Rest => store::payments::rest(conn, &payment).await?,
                        Next::Close => {
                            let cause = cause(conn, id).await?;
                            let to = step(&payment, PaymentTrigger::Void)?;
                            store::payments::advance(conn, &cause, &payment, to).await?;
                        }
                        Next::Perform(operation) => {
                            let key = format!("{}.{operation}.{}", payment.id, payment.attempt);
                            store::payments::intend(conn, payment.id, operation.as_str(), &key).await?;
                            payment.operation = Some(operation.to_string());
                            payment.operation_key = Some(key);
                        }
                        Next::Ask(_) => {}
                    }
                    Ok(matches!(next, Next::Ask(_) | Next::Perform(_)).then_some((payment, next)))
                }
                .boxed()
            })
            .await
    }
}

/// What the reconciler does, it does because of what happened to the order last.
async fn cause(conn: &mut Conn, order: OrderId) -> Result<Cause, Refusal> {
    let trace = event_log::newest_trace(conn, "order", order.0).await?;
    Ok(Cause::continuing("reconciler", trace.as_deref()))
}

fn step(payment: &Payment, trigger: PaymentTrigger) -> Result<PaymentState, Refusal> {
    PaymentLifecycle::next(payment.state, trigger).map_err(|e| Refusal::Bug(e.into()))
}

/// Books what the gateway said. The order is written before the payment: everybody locks in that order.
async fn record(conn: &mut Conn, asked: &Payment, operation: Operation, said: Said) -> Result<(), Refusal> {
    let cause = cause(conn, asked.order_id).await?;
    let order = store::orders::load(conn, asked.order_id, Of::Anyone).await?;
    let payment = store::payments::of_order(conn, asked.order_id).await?;
    if payment.operation_key != asked.operation_key {
        // Somebody else recorded it: our lock had run out.
        return Ok(());
    }
    let key = payment.operation_key.clone().unwrap_or_default();
    let trigger = match (&said, operation) {
        (Said::Done, Operation::Authorise) => PaymentTrigger::Authorise,
        (Said::Done, Operation::Capture) => PaymentTrigger::Capture,
        (Said::Done, Operation::Void) => PaymentTrigger::Void,
        (Said::Done, Operation::Refund) => PaymentTrigger::Refund,
        (Said::NotKnown, _) if payment.state != PaymentState::Unknown => {
            // It never arrived, and the state never moved: forget the intent and decide again.
            return store::payments::forget_operation(conn, payment.id).await;
        }
        (Said::NotKnown, Operation::Authorise) => PaymentTrigger::RetryAuthorise,
        (Said::NotKnown, Operation::Capture | Operation::Void) => PaymentTrigger::RetrySettle,
        (Said::NotKnown, Operation::Refund) => PaymentTrigger::RetryRefund,
        (Said::Refused(why), Operation::Refund | Operation::Void) => {
            // The customer's money is held or taken and should not be: a person must look, and we go on trying.
            alarms::raise(conn, "release_refused", "payment", payment.id.0, why).await?;
            return lost_track(conn, &payment, why).await;
        }
        (Said::Refused(why), _) => {
            tracing::warn!(order.id = %order.id, operation = %operation, why, "the gateway refused");
            PaymentTrigger::Refuse
        }
    };
    let to = step(&payment, trigger)?;
    if said == Said::Done {
        store::payments::book(conn, &payment, operation.as_str(), &key).await?;
        alarms::resolve(conn, payment.id.0).await?;
    }
    if trigger == PaymentTrigger::Authorise && OrderLifecycle::table(order.state, Trigger::Pay).is_some() {
        advance(conn, &cause, &order, Trigger::Pay, Step::default()).await?;
    }
    if trigger == PaymentTrigger::Refuse && operation == Operation::Capture {
        // The order goes on: the food is being made. What is owed is written down, and somebody is told.
        store::payments::book(conn, &payment, "receivable", &format!("{key}.receivable")).await?;
        alarms::raise(conn, "capture_refused", "payment", payment.id.0, "the gateway refused the capture").await?;
    }
    store::payments::advance(conn, &cause, &payment, to).await?;
    Ok(())
}

/// No answer: the state says so, and the reconciler asks again later.
async fn lost_track(conn: &mut Conn, asked: &Payment, why: &str) -> Result<(), Refusal> {
    let payment = store::payments::of_order(conn, asked.order_id).await?;
    if payment.operation_key != asked.operation_key {
        return Ok(());
    }
    if let Some(to) = PaymentLifecycle::table(payment.state, PaymentTrigger::LoseTrack) {
        let cause = cause(conn, asked.order_id).await?;
        store::payments::lose_track(conn, &cause, &payment, to).await?;
    }
    store::payments::postpone(conn, payment.id, why).await
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
