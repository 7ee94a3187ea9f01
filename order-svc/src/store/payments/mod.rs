//! Payments: one row for each order. Their state follows from their [`operations`]; [`settle`] writes it, guarded by the
//! version before.

pub mod operations;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::payment::{PaymentSnapshot, PaymentState};
use pannier_contracts::{Currency, Money, OrderId, PaymentId, Version};
use pannier_platform::db::functions::clock_timestamp;
use pannier_platform::db::{Wakeup, wake_after_commit};
use pannier_platform::{Cause, Conn, Prepare as _, Refusal, events};

use self::operations::By;
use super::schema::payments;
use crate::domain::settlement::{Operation, Standing};

/// A payment's row.
#[derive(Debug, Clone, Queryable, QueryableByName, Selectable, Insertable)]
#[diesel(table_name = payments, treat_none_as_default_value = false)]
#[allow(missing_docs, reason = "columns; the migration documents them")]
pub struct Payment {
    pub id: PaymentId,
    pub version: Version,
    pub state: PaymentState,
    pub order_id: OrderId,
    pub method: String,
    pub currency: Currency,
    pub amount: i64,
    pub attempt: i32,
    pub captured: i64,
    pub refunded: i64,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub fence: i64,
    pub last_error: Option<String>,
}

impl Payment {
    /// The payment of a new order, due at once.
    #[must_use]
    pub fn new(order_id: OrderId, method: &str, amount: Money, now: DateTime<Utc>) -> Self {
        Self {
            id: PaymentId::generate(),
            version: Version::FIRST,
            state: PaymentState::Initiated,
            order_id,
            method: method.to_owned(),
            currency: amount.currency,
            amount: amount.amount,
            attempt: 1,
            captured: 0,
            refunded: 0,
            next_attempt_at: Some(now),
            fence: 0,
            last_error: None,
        }
    }

    /// What the order costs.
    #[must_use]
    pub fn money(&self) -> Money {
        Money::new(self.amount, self.currency)
    }

    fn standing(&self) -> Standing {
        Standing { state: self.state, captured: self.captured, refunded: self.refunded }
    }

    fn snapshot(&self) -> PaymentSnapshot {
        PaymentSnapshot {
            id: self.id,
            version: self.version,
            state: self.state,
            order_id: self.order_id,
            amount: self.money(),
        }
    }
}

/// Announces a payment to those who watch its order.
async fn announce(conn: &mut Conn, cause: &Cause, event: &str, payment: &Payment) -> Result<(), Refusal> {
    events::append(conn, cause, event, Some(payment.order_id.0.to_string()), &payment.snapshot()).await
}

/// Writes a new payment and its event, and intends its authorisation; the reconciler looks at it right after the commit.
pub async fn insert(conn: &mut Conn, cause: &Cause, payment: &Payment) -> Result<(), Refusal> {
    diesel::insert_into(payments::table).values(payment).prepared().execute(conn).await?;
    operations::intend(conn, payment, Operation::Authorise, payment.amount, By::Command).await?;
    wake_after_commit(Wakeup::Payments);
    announce(conn, cause, "opened", payment).await
}

/// The payment of an order.
///
/// # Errors
/// [`Refusal::NotFound`] when there is no such order.
pub async fn of_order(conn: &mut Conn, order: OrderId) -> Result<Payment, Refusal> {
    let payment = payments::table.filter(payments::order_id.eq(order)).select(Payment::as_select());
    payment.first(conn).await.optional()?.ok_or(Refusal::NotFound("payment"))
}

/// Has the reconciler look at a payment right after the commit. `operation` is intended for it, with the whole amount,
/// unless another one is open or the payment has changed since it was read: then the reconciler decides.
pub async fn make_due(conn: &mut Conn, payment: &Payment, operation: Option<Operation>) -> Result<(), Refusal> {
    let due = (payments::next_attempt_at.eq(clock_timestamp().nullable()), payments::failures.eq(0));
    diesel::update(payments::table.find(payment.id)).set(due).prepared().execute(conn).await?;
    if let Some(operation) = operation {
        operations::intend(conn, payment, operation, payment.amount, By::Command).await?;
    }
    wake_after_commit(Wakeup::Payments);
    Ok(())
}

/// Has the reconciler look at a payment that waits for its time: the gateway says that something happened to it. Nothing
/// happens when there is no such payment, or it is at rest.
pub async fn wake(conn: &mut Conn, id: PaymentId) -> Result<(), Refusal> {
    let waiting = payments::table.find(id).filter(payments::next_attempt_at.gt(clock_timestamp().nullable()));
    let woken = diesel::update(waiting).set(payments::next_attempt_at.eq(clock_timestamp().nullable()));
    if woken.prepared().execute(conn).await? > 0 {
        wake_after_commit(Wakeup::Payments);
    }
    Ok(())
}

/// When the reconciler looks at a payment next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// When something makes it due.
    Rest,
    /// At once.
    Now,
    /// At this time.
    At(DateTime<Utc>),
    /// After 5 s, doubling with each failure up to an hour.
    Retry,
}

/// A worker's claim of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The payment's fence, if nobody else has claimed it since.
    pub fence: i64,
    /// When the payment was due. If it is due at another time by now, something has made it so meanwhile.
    pub due_at: Option<DateTime<Utc>>,
}

impl Claim {
    /// The claim that a claimed payment was read with.
    #[must_use]
    pub fn of(claimed: &Payment) -> Self {
        Self { fence: claimed.fence, due_at: claimed.next_attempt_at }
    }
}

/// Writes what the operations of a payment have led to; a new version, and its event, if that is another state. Ends the
/// claim, if it is still the payment's, and schedules the next look. `error` is why there was no answer.
///
/// # Errors
/// [`Refusal::Conflict`] when a concurrent update won.
pub async fn settle(
    conn: &mut Conn,
    cause: &Cause,
    payment: &Payment,
    claim: Claim,
    after: Standing,
    schedule: Schedule,
    error: Option<&str>,
) -> Result<(), Refusal> {
    #[derive(QueryableByName)]
    struct Settled {
        #[diesel(sql_type = Bool)]
        is_due: bool,
    }
    let has_changed = payment.standing() != after;
    let version = if has_changed { payment.version.next() } else { payment.version };
    let (how, at) = match schedule {
        Schedule::Rest => (0, None),
        Schedule::Now => (1, None),
        Schedule::At(at) => (2, Some(at)),
        Schedule::Retry => (3, None),
    };
    // Raw: an interval computed from a column, which another transaction may have reset since the claim.
    let settled: Option<Settled> = diesel::sql_query(
        "UPDATE payments SET version = $3, state = $4, captured = $5, refunded = $6, last_error = $11,
             locked_until = CASE WHEN fence = $7 THEN NULL ELSE locked_until END,
             failures = CASE WHEN $9 = 3 THEN failures + 1 ELSE 0 END,
             next_attempt_at = CASE
                 WHEN $9 = 1 OR next_attempt_at IS DISTINCT FROM $8 AND next_attempt_at <= clock_timestamp()
                     THEN clock_timestamp()
                 WHEN fence <> $7 THEN next_attempt_at
                 WHEN $9 = 3 THEN clock_timestamp() + least(3600, 5 * power(2, least(failures, 10))) * interval '1 s'
                 ELSE $10 END
         WHERE id = $1 AND version = $2
         RETURNING next_attempt_at IS NOT NULL AND next_attempt_at <= clock_timestamp() AS is_due",
    )
    .bind::<SqlUuid, _>(payment.id)
    .bind::<BigInt, _>(payment.version)
    .bind::<BigInt, _>(version)
    .bind::<Text, _>(after.state)
    .bind::<BigInt, _>(after.captured)
    .bind::<BigInt, _>(after.refunded)
    .bind::<BigInt, _>(claim.fence)
    .bind::<Nullable<Timestamptz>, _>(claim.due_at)
    .bind::<Integer, _>(how)
    .bind::<Nullable<Timestamptz>, _>(at)
    .bind::<Nullable<Text>, _>(error)
    .prepared()
    .get_result(conn)
    .await
    .optional()?;
    if settled.ok_or(Refusal::Conflict)?.is_due {
        wake_after_commit(Wakeup::Payments);
    }
    if !has_changed {
        return Ok(());
    }
    let Standing { state, captured, refunded } = after;
    announce(conn, cause, "changed", &Payment { version, state, captured, refunded, ..payment.clone() }).await
}

/// Begins another attempt to pay, with another method: a new version, due at once, with its authorisation intended.
///
/// # Errors
/// [`Refusal::Conflict`] when a concurrent update won.
pub async fn begin_attempt(conn: &mut Conn, cause: &Cause, payment: &Payment, method: &str) -> Result<(), Refusal> {
    let after = Payment {
        version: payment.version.next(),
        state: PaymentState::Initiated,
        method: method.to_owned(),
        attempt: payment.attempt + 1,
        ..payment.clone()
    };
    let updated = diesel::update(payments::table.find(payment.id).filter(payments::version.eq(payment.version)))
        .set((
            payments::version.eq(after.version),
            payments::state.eq(after.state),
            payments::method.eq(method),
            payments::attempt.eq(after.attempt),
        ))
        .prepared()
        .execute(conn)
        .await?;
    if updated == 0 {
        return Err(Refusal::Conflict);
    }
    make_due(conn, &after, Some(Operation::Authorise)).await?;
    announce(conn, cause, "changed", &after).await
}
