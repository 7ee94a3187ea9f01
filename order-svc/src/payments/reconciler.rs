//! Moves each payment to where its order wants it: held while the order waits for the shop, taken once the shop has
//! accepted, released when the order ends early. It needs no input: what wakes it tells only that something is due.
//!
//! For each payment that is due: claim it (one worker at a time, fenced), ask the gateway outside any transaction,
//! record the answer together with the next operation. An operation is noted before it is asked for, usually by the
//! transaction that made it necessary. So a crash at any point leaves a noted operation; one that was asked for and has
//! no recorded answer is queried before anything else.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use pannier_platform::db::Wakeup;
use pannier_platform::{Cause, Db, Refusal, Stop};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::gateway::Gateway;
use super::outcome::{Asked, next_state, record, record_no_answer};
use crate::domain::lifecycle::PaymentTrigger;
use crate::domain::settlement::{NextAction, Operation, next_action};
use crate::store;
use crate::store::payments::operations::{self, ClaimedPayment};

/// How often due payments are looked for when no commit woke the reconciler: retries, and payments of a killed worker.
const POLL: Duration = Duration::from_secs(1);
/// How many payments are worked on at once. No more are claimed than can begin at once: a claim lasts from its beginning.
const MAX_CONCURRENT: usize = 16;

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
    /// A reconciler of the payments in `db` with `gateway`.
    pub fn new(db: Db, gateway: Arc<G>) -> Self {
        Self { db, gateway }
    }

    /// Works on due payments until `stop`; those under way then are finished.
    pub async fn run(self, stop: Stop) {
        let wakeup = self.db.wakeup(Wakeup::Payments);
        let mut workers = JoinSet::new();
        loop {
            match self.claim(MAX_CONCURRENT - workers.len()).await {
                Ok(claimed) => {
                    for payment in claimed {
                        let this = self.clone();
                        workers.spawn(async move { this.reconcile(payment).await });
                    }
                }
                Err(refusal) => tracing::warn!(error = ?refusal, "payments cannot be claimed; trying again"),
            }
            let is_full = workers.len() == MAX_CONCURRENT;
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = workers.join_next(), if is_full => {}
                () = wakeup.notified(), if !is_full => {}
                () = tokio::time::sleep(POLL), if !is_full => {}
            }
            while workers.try_join_next().is_some() {}
        }
        while workers.join_next().await.is_some() {}
    }

    async fn claim(&self, limit: usize) -> Result<Vec<ClaimedPayment>, Refusal> {
        // One statement, which commits by itself.
        self.db.read(move |conn| async move { operations::claim_due(conn, limit as i64).await }.boxed()).await
    }

    async fn reconcile(&self, claimed: ClaimedPayment) {
        let order = claimed.payment.order_id;
        let span = tracing::debug_span!("reconcile", otel.name = "reconcile payment", trace_id = tracing::field::Empty);
        let cause = Cause::within("reconciler", &span, claimed.traceparent.as_deref());
        if let Err(refusal) = self.try_reconcile(cause, claimed).instrument(span).await {
            // Its claim runs out, then it is claimed again.
            tracing::warn!(order.id = %order, error = ?refusal, "the payment of order {order} could not be moved");
        }
    }

    async fn try_reconcile(&self, cause: Cause, claimed: ClaimedPayment) -> Result<(), Refusal> {
        let was_asked = claimed.was_asked;
        let pending = match claimed.payment.pending() {
            Some(pending) => Some(pending),
            None => self.decide(&cause, &claimed).await?,
        };
        let Some((operation, key)) = pending else { return Ok(()) };
        let asked = Asked { cause, payment: claimed.payment, operation, key };
        let answer = if was_asked {
            self.gateway.query(&asked.key, &asked.cause.trace).await
        } else {
            self.gateway.perform(operation, &asked.key, &asked.payment, &asked.cause.trace).await
        };
        let answer = answer.map_err(|e| e.to_string());
        self.db
            .transaction(move |conn| {
                let (asked, answer) = (asked.clone(), answer.clone());
                async move {
                    match answer {
                        Ok(answer) => record(conn, &asked, answer).await,
                        Err(why) => record_no_answer(conn, &asked, &why).await,
                    }
                }
                .boxed()
            })
            .await
    }

    /// No operation is noted: decides on one and notes it. `None` when nothing is to be asked for, or another worker has
    /// claimed the payment.
    async fn decide(&self, cause: &Cause, claimed: &ClaimedPayment) -> Result<Option<(Operation, String)>, Refusal> {
        let (cause, claimed) = (cause.clone(), claimed.clone());
        self.db
            .transaction(move |conn| {
                let (cause, payment, order) = (cause.clone(), claimed.payment.clone(), claimed.order_state);
                async move {
                    match next_action(payment.state, order) {
                        NextAction::Perform(operation) => {
                            let key = payment.key_of(operation);
                            let is_noted = operations::begin(conn, &payment, operation, &key).await?;
                            return Ok(is_noted.then_some((operation, key)));
                        }
                        NextAction::Close => {
                            let to = next_state(payment.state, PaymentTrigger::Void)?;
                            store::payments::update(conn, &cause, &payment, to, None).await?;
                        }
                        NextAction::Wait => operations::release(conn, &payment).await?,
                    }
                    Ok(None)
                }
                .boxed()
            })
            .await
    }
}
