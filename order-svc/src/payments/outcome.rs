//! Records what became of an operation: its row, the ledger, the payment and its order in one transaction. The order is
//! written before the payment, as everywhere, so that their locks are taken in one order.

use pannier_contracts::Lifecycle as _;
use pannier_contracts::payment::PaymentState;
use pannier_platform::{Cause, Conn, Refusal, alarms, timers};

use super::gateway::{Answer, Holding};
use crate::commands::apply_trigger::{TransitionDetails, apply_trigger};
use crate::domain::lifecycle::{OrderLifecycle, Trigger};
use crate::domain::settlement::{Ending, NextAction, Operation, Target, next_action, standing};
use crate::store::orders::VisibleTo;
use crate::store::payments::operations::{self, By, OpenOperation, PaymentOperation, steps};
use crate::store::payments::{Claim, Schedule, settle};
use crate::store::{self, Order, Payment, ledger};

/// An operation that the gateway was asked for or about.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The cause of what is recorded.
    pub cause: Cause,
    /// The payment as it was claimed.
    pub payment: Payment,
    /// The operation.
    pub operation: OpenOperation,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The gateway answered. After a refusal it was asked what it knows about the payment, too.
    Answered(Answer, Option<Holding>),
    /// It was not asked for: the order wants something else by now.
    Withdrawn,
    /// No answer came, for this reason.
    NoAnswer(String),
}

/// Records a report. One that comes late, when another worker has recorded the operation or others have followed, still
/// counts: the payment's state is derived from all of its operations.
///
/// # Errors
/// [`Refusal::Conflict`] when a concurrent update won: record it again.
pub async fn record(conn: &mut Conn, asked: &Asked, report: &Report) -> Result<(), Refusal> {
    let order = store::orders::load(conn, asked.payment.order_id, VisibleTo::Anyone).await?;
    match report {
        Report::NoAnswer(why) => record_no_answer(conn, asked, &order, why).await,
        Report::Withdrawn => record_ending(conn, asked, order, Ending::Withdrawn, None, None).await,
        Report::Answered(Answer::Done, _) => record_ending(conn, asked, order, Ending::Done, None, None).await,
        Report::Answered(Answer::NotFound, _) => record_ending(conn, asked, order, Ending::NotFound, None, None).await,
        Report::Answered(Answer::Refused(why), holding) => {
            record_ending(conn, asked, order, Ending::Refused, Some(why), *holding).await
        }
    }
}

/// The operation stays open. The gateway is asked about it again later.
async fn record_no_answer(conn: &mut Conn, asked: &Asked, order: &Order, why: &str) -> Result<(), Refusal> {
    operations::note_no_answer(conn, asked.payment.id, &asked.operation.key, why).await?;
    let all = operations::of_payment(conn, asked.payment.id).await?;
    let after = standing(&steps(&all));
    settle(conn, &asked.cause, &order.payment, Claim::of(&asked.payment), after, Schedule::Retry, Some(why)).await
}

async fn record_ending(
    conn: &mut Conn,
    asked: &Asked,
    mut order: Order,
    ending: Ending,
    why: Option<&str>,
    holding: Option<Holding>,
) -> Result<(), Refusal> {
    let OpenOperation { key, kind, .. } = &asked.operation;
    if (*kind, ending) == (Operation::Authorise, Ending::Done)
        && OrderLifecycle::table(order.state, Trigger::Pay).is_some()
    {
        order = apply_trigger(conn, &asked.cause, &order, Trigger::Pay, TransitionDetails::default()).await?;
    }
    let payment = &order.payment;
    let answered = operations::answer(conn, payment.id, key, ending, why).await?;
    if answered.is_news && ending == Ending::Done {
        book(conn, payment, &answered.all, key).await?;
    }
    let mut all = answered.all;
    let learned = learn(&all, ending, holding);
    for key in &learned {
        all = operations::answer(conn, payment.id, key, Ending::Done, None).await?.all;
        book(conn, payment, &all, key).await?;
    }
    let (steps, now) = (steps(&all), timers::now(conn).await?);
    let (after, target) = (standing(&steps), Target::of(order.state, order.refund_share));
    let is_refused_release =
        ending == Ending::Refused && matches!(kind, Operation::Void | Operation::Refund) && learned.is_empty();
    if is_refused_release {
        // Money is held or taken that is the customer's, so a person has to look. It is tried again meanwhile.
        alarms::raise(conn, "release_refused", "payment", payment.id.0, why.unwrap_or_default()).await?;
    } else if (*kind, ending) == (Operation::Capture, Ending::Refused) && after.state == PaymentState::Failed {
        book_receivable(conn, payment, key, why.unwrap_or_default()).await?;
    } else if ending == Ending::Done || !learned.is_empty() {
        alarms::resolve(conn, payment.id.0).await?;
    }
    let schedule = match next_action(&steps, target, payment.amount, now) {
        _ if is_refused_release => Schedule::Retry,
        NextAction::Rest => Schedule::Rest,
        NextAction::LookAgain(at) => Schedule::At(at),
        NextAction::Perform(operation, amount) => {
            operations::intend(conn, payment, operation, amount, By::Command).await?;
            Schedule::Now
        }
    };
    let error = why.filter(|_| is_refused_release);
    settle(conn, &asked.cause, payment, Claim::of(&asked.payment), after, schedule, error).await
}

/// Books an operation that took effect.
async fn book(conn: &mut Conn, payment: &Payment, all: &[PaymentOperation], key: &str) -> Result<(), Refusal> {
    let Some(operation) = all.iter().find(|operation| operation.key == key) else { return Ok(()) };
    ledger::insert(conn, payment, operation.kind.as_str(), operation.amount, key).await?;
    let was_owed = operation.kind == Operation::Capture && all.iter().any(|o| o.answer == Some(Ending::Refused));
    if was_owed && ledger::is_owed(conn, payment.order_id).await? {
        let key = format!("{key}.{}", ledger::RECEIVABLE);
        ledger::insert(conn, payment, ledger::RECEIVABLE, -operation.amount, &key).await?;
    }
    Ok(())
}

/// Operations that took effect although the gateway had not known them, or had not answered: a void that was done releases
/// a hold that must have been there, and a refusal is explained by what the gateway holds.
fn learn(all: &[PaymentOperation], ending: Ending, holding: Option<Holding>) -> Vec<String> {
    let has = |kind| all.iter().any(|o| o.kind == kind && o.answer == Some(Ending::Done));
    let sum =
        |kind| all.iter().filter(|o| o.kind == kind && o.answer == Some(Ending::Done)).map(|o| o.amount).sum::<i64>();
    let newest = |kind, amount: Option<i64>| {
        let mut of_kind = all.iter().rev().filter(|o| o.kind == kind && amount.is_none_or(|amount| o.amount == amount));
        of_kind.find(|o| o.answer != Some(Ending::Done) && o.answer != Some(Ending::Withdrawn)).map(|o| o.key.clone())
    };
    let mut learned = Vec::new();
    let is_held = holding.is_some() || (ending == Ending::Done && (has(Operation::Void) || has(Operation::Capture)));
    if is_held && !has(Operation::Authorise) {
        learned.extend(newest(Operation::Authorise, None));
    }
    let Some(holding) = holding else { return learned };
    if holding.captured > 0 && !has(Operation::Capture) {
        learned.extend(newest(Operation::Capture, Some(holding.captured)));
    }
    if holding.is_voided && !has(Operation::Void) {
        learned.extend(newest(Operation::Void, None));
    }
    let refunded = holding.refunded - sum(Operation::Refund);
    if refunded > 0 {
        learned.extend(newest(Operation::Refund, Some(refunded)));
    }
    learned
}

/// The kitchen is working, so the order goes on without its money. The debt is booked once, and a person has to look.
async fn book_receivable(conn: &mut Conn, payment: &Payment, key: &str, why: &str) -> Result<(), Refusal> {
    tracing::warn!(order.id = %payment.order_id, why, "the gateway refused the capture");
    if !ledger::is_owed(conn, payment.order_id).await? {
        let key = format!("{key}.{}", ledger::RECEIVABLE);
        ledger::insert(conn, payment, ledger::RECEIVABLE, payment.amount, &key).await?;
    }
    let detail = format!("the gateway refused the capture: {why}");
    alarms::raise(conn, "capture_refused", "payment", payment.id.0, &detail).await
}
