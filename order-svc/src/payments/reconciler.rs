//! Moves each payment to where its order wants it: held while the order waits for the shop, taken once the shop has
//! accepted, released when the order ends early. It needs no input: what wakes it tells only that something is due.
//!
//! For each payment that is due: claim it (one worker at a time, fenced), ask the gateway outside any transaction, record
//! the answer together with the next operation. An operation is intended before it is asked for, usually by the transaction
//! that made it necessary. So a crash at any point leaves an open operation; one that was asked for and has no answer is
//! queried before anything else.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use pannier_contracts::{Money, PaymentId};
use pannier_platform::cause::Trace;
use pannier_platform::db::Wakeup;
use pannier_platform::{Cause, Db, Refusal, Stop, timers};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::gateway::{Answer, Gateway, Holding, NoAnswer, Request};
use super::outcome::{Asked, Report, record};
use crate::domain::settlement::{NextAction, Operation, is_wanted, next_action, standing};
use crate::store;
use crate::store::payments::operations::{self, By, ClaimedPayment, OpenOperation, steps};
use crate::store::payments::{Claim, Schedule, settle};

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
        let operation = match claimed.open() {
            Some(open) => open,
            None => match self.decide(&cause, &claimed).await? {
                Some(intended) => intended,
                None => return Ok(()),
            },
        };
        let is_wanted = is_wanted(operation.kind, claimed.target());
        let asked = Asked { cause, payment: claimed.payment, operation };
        let report = match (claimed.was_asked, is_wanted) {
            (false, false) => Report::Withdrawn,
            (was_asked, is_wanted) => match self.ask(&asked, was_asked, is_wanted).await {
                Ok((answer, holding)) => Report::Answered(answer, holding),
                Err(NoAnswer(why)) => Report::NoAnswer(why),
            },
        };
        self.db
            .transaction(move |conn| {
                let (asked, report) = (asked.clone(), report.clone());
                async move { record(conn, &asked, &report).await }.boxed()
            })
            .await
    }

    /// Asks for an operation; or, if it was asked for before, what became of it, and for it again if the gateway does not
    /// know it and it is still wanted. A refusal comes with what the gateway knows about the payment.
    async fn ask(
        &self,
        asked: &Asked,
        was_asked: bool,
        is_wanted: bool,
    ) -> Result<(Answer, Option<Holding>), NoAnswer> {
        let (payment, trace) = (&asked.payment, &asked.cause.trace);
        let OpenOperation { key, kind, amount } = asked.operation.clone();
        let request = Request {
            operation: kind,
            key,
            payment: payment.id,
            amount: Money::new(amount, payment.currency),
            method: payment.method.clone(),
        };
        if was_asked {
            match self.gateway.query(&request.key, trace).await? {
                Answer::NotFound if !is_wanted => return Ok((Answer::NotFound, None)),
                Answer::NotFound => {}
                answer => return Ok(self.explained(answer, payment.id, trace).await),
            }
        }
        let answer = match self.gateway.perform(&request, trace).await? {
            // What is to be released may arrive later. What is to be taken or given back must be there.
            Answer::NotFound if kind != Operation::Void => Answer::Refused("unknown_reference".to_owned()),
            answer => answer,
        };
        Ok(self.explained(answer, payment.id, trace).await)
    }

    async fn explained(&self, answer: Answer, payment: PaymentId, trace: &Trace) -> (Answer, Option<Holding>) {
        // Without an answer the refusal stands as it is.
        let holding = match answer {
            Answer::Refused(_) => self.gateway.look_up(payment, trace).await.unwrap_or_default(),
            Answer::Done | Answer::NotFound => None,
        };
        (answer, holding)
    }

    /// No operation is open: decides on one and intends it. `None` when nothing is to be asked for, or another worker has
    /// claimed the payment.
    async fn decide(&self, cause: &Cause, claimed: &ClaimedPayment) -> Result<Option<OpenOperation>, Refusal> {
        let (cause, claimed) = (cause.clone(), claimed.clone());
        self.db
            .transaction(move |conn| {
                let (cause, claimed) = (cause.clone(), claimed.clone());
                async move {
                    let payment = store::payments::of_order(conn, claimed.payment.order_id).await?;
                    let steps = steps(&operations::of_payment(conn, payment.id).await?);
                    let now = timers::now(conn).await?;
                    let schedule = match next_action(&steps, claimed.target(), payment.amount, now) {
                        NextAction::Perform(kind, amount) => {
                            let key = operations::intend(conn, &claimed.payment, kind, amount, By::Worker).await?;
                            return Ok(key.map(|key| OpenOperation { key, kind, amount }));
                        }
                        NextAction::Rest => Schedule::Rest,
                        NextAction::LookAgain(at) => Schedule::At(at),
                    };
                    let (claim, after) = (Claim::of(&claimed.payment), standing(&steps));
                    settle(conn, &cause, &payment, claim, after, schedule, None).await?;
                    Ok(None)
                }
                .boxed()
            })
            .await
    }
}
