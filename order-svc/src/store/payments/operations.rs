//! What was asked of the gateway: one row for each operation, never deleted. An answer is written once, whoever brings it
//! and however late.
//!
//! A worker claims a payment for `CLAIM` and gets a *fence*, a number that grows with every claim. It intends an operation
//! only while its fence is the payment's, and ends only its own claim.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Interval, Nullable, SmallInt, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::order::OrderState;
use pannier_contracts::{PaymentId, stored_as_text};
use pannier_platform::{Conn, Prepare as _, Refusal};

use super::Payment;
use crate::domain::settlement::{Ending, Operation, Step, Target};
use crate::store::schema::{payment_operations, payments};

stored_as_text!(Operation, Ending);

/// How long a claim lasts: longer than two calls of the gateway, short enough that the payments of a killed worker do not
/// wait for long.
const CLAIM: TimeDelta = TimeDelta::seconds(15);

/// An operation's row.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = payment_operations)]
#[allow(missing_docs, reason = "columns; the migration documents them")]
pub struct PaymentOperation {
    pub key: String,
    pub attempt: i32,
    pub kind: Operation,
    pub amount: i64,
    pub asked_at: Option<DateTime<Utc>>,
    pub answer: Option<Ending>,
    pub detail: Option<String>,
    pub answered_at: Option<DateTime<Utc>>,
}

impl PaymentOperation {
    /// What decides about money.
    #[must_use]
    pub fn step(&self) -> Step {
        Step {
            kind: self.kind,
            amount: self.amount,
            ending: self.answer.zip(self.answered_at),
            is_unanswered: self.answer.is_none() && self.detail.is_some(),
        }
    }
}

/// [`PaymentOperation::step`] of each.
#[must_use]
pub fn steps(operations: &[PaymentOperation]) -> Vec<Step> {
    operations.iter().map(PaymentOperation::step).collect()
}

/// An operation that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOperation {
    /// Its idempotency key.
    pub key: String,
    /// What is asked for.
    pub kind: Operation,
    /// What it moves, minor units.
    pub amount: i64,
}

/// A payment that this worker has claimed.
#[derive(Debug, Clone, QueryableByName)]
pub struct ClaimedPayment {
    /// The payment, with this claim's fence.
    #[diesel(embed)]
    pub payment: Payment,
    /// The state of its order.
    #[diesel(sql_type = Text)]
    pub order_state: OrderState,
    /// How much its order gives back if it ends early, percent.
    #[diesel(sql_type = SmallInt)]
    pub refund_share: i16,
    #[diesel(sql_type = Nullable<Text>)]
    open_key: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    open_kind: Option<Operation>,
    #[diesel(sql_type = Nullable<BigInt>)]
    open_amount: Option<i64>,
    /// Whether its open operation was asked for before, by a claim that recorded no answer.
    #[diesel(sql_type = Bool)]
    pub was_asked: bool,
    /// The trace of the order's last event, which this work continues.
    #[diesel(sql_type = Nullable<Text>)]
    pub traceparent: Option<String>,
}

impl ClaimedPayment {
    /// The open operation, marked as asked for.
    #[must_use]
    pub fn open(&self) -> Option<OpenOperation> {
        let (key, kind, amount) = (self.open_key.clone()?, self.open_kind?, self.open_amount?);
        Some(OpenOperation { key, kind, amount })
    }

    /// Where its order wants the money.
    #[must_use]
    pub fn target(&self) -> Target {
        Target::of(self.order_state, self.refund_share)
    }
}

/// Claims at most `limit` payments that are due, and marks their open operations as asked for.
pub async fn claim_due(conn: &mut Conn, limit: i64) -> Result<Vec<ClaimedPayment>, Refusal> {
    // Raw: two UPDATEs in one statement, over a subquery with SKIP LOCKED. `before` is read as the statement began.
    Ok(diesel::sql_query(
        "WITH due AS (
             SELECT id FROM payments WHERE next_attempt_at <= statement_timestamp()
                 AND (locked_until IS NULL OR locked_until < statement_timestamp())
             ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED
         ), claimed AS (
             UPDATE payments p SET locked_until = clock_timestamp() + $1, fence = p.fence + 1
             FROM due WHERE p.id = due.id RETURNING p.*
         ), asked AS (
             UPDATE payment_operations o SET asked_at = coalesce(o.asked_at, clock_timestamp()), fence = claimed.fence
             FROM claimed WHERE o.payment_id = claimed.id AND o.answer IS NULL
             RETURNING o.key, o.payment_id, o.kind, o.amount
         )
         SELECT p.id, p.version, p.state, p.order_id, p.method, p.currency, p.amount, p.attempt, p.captured, p.refunded,
             p.next_attempt_at, p.fence, p.last_error, o.state AS order_state, o.refund_share,
             asked.key AS open_key, asked.kind AS open_kind, asked.amount AS open_amount,
             before.asked_at IS NOT NULL AS was_asked,
             (SELECT e.traceparent FROM events e WHERE e.aggregate = 'order' AND e.aggregate_id = p.order_id
              ORDER BY e.version DESC LIMIT 1) AS traceparent
         FROM claimed p JOIN orders o ON o.id = p.order_id
             LEFT JOIN asked ON asked.payment_id = p.id
             LEFT JOIN payment_operations before ON before.key = asked.key",
    )
    .bind::<Interval, _>(CLAIM)
    .bind::<BigInt, _>(limit)
    .prepared()
    .load(conn)
    .await?)
}

/// Who intends an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A command, which has read this version of the payment.
    Command,
    /// The worker whose claim has the payment's fence. It asks for the operation at once.
    Worker,
}

/// Intends an operation of a payment that has none open, and returns its key. `None` when another operation is open, or the
/// payment has changed since it was read: then the reconciler decides.
pub async fn intend(
    conn: &mut Conn,
    payment: &Payment,
    kind: Operation,
    amount: i64,
    by: By,
) -> Result<Option<String>, Refusal> {
    #[derive(QueryableByName)]
    struct Intended {
        #[diesel(sql_type = Text)]
        key: String,
    }
    let (version, fence) = match by {
        By::Command => (Some(payment.version), None),
        By::Worker => (None, Some(payment.fence)),
    };
    // Raw: INSERT … SELECT with a number that is counted, and a partial index as the conflict's.
    let intended: Option<Intended> = diesel::sql_query(
        "INSERT INTO payment_operations (key, payment_id, attempt, kind, amount, fence, asked_at)
         SELECT $2 || '.' || $3 || '.' || next.attempt, p.id, next.attempt, $3, $4, $5,
                CASE WHEN $5 IS NOT NULL THEN clock_timestamp() END
         FROM payments p, LATERAL (
             SELECT coalesce(max(o.attempt), 0) + 1 AS attempt FROM payment_operations o WHERE o.payment_id = p.id) AS next
         WHERE p.id = $1 AND ($5 IS NULL OR p.fence = $5) AND ($6 IS NULL OR p.version = $6)
         ON CONFLICT (payment_id) WHERE answer IS NULL DO NOTHING RETURNING key",
    )
    .bind::<SqlUuid, _>(payment.id)
    .bind::<Text, _>(payment.id.to_string())
    .bind::<Text, _>(kind)
    .bind::<BigInt, _>(amount)
    .bind::<Nullable<BigInt>, _>(fence)
    .bind::<Nullable<BigInt>, _>(version)
    .prepared()
    .get_result(conn)
    .await
    .optional()?;
    Ok(intended.map(|intended| intended.key))
}

/// The operations of a payment, oldest first.
pub async fn of_payment(conn: &mut Conn, payment: PaymentId) -> Result<Vec<PaymentOperation>, Refusal> {
    let all = payment_operations::table.filter(payment_operations::payment_id.eq(payment));
    let oldest_first = all.order(payment_operations::attempt).select(PaymentOperation::as_select());
    Ok(oldest_first.prepared().load(conn).await?)
}

/// The operations of a payment after an answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// All of them, oldest first.
    pub all: Vec<PaymentOperation>,
    /// Whether this answer changed one. If not, it was known.
    pub is_news: bool,
}

/// Writes how an operation ended, once. That it took effect replaces any other answer: money has moved.
pub async fn answer(
    conn: &mut Conn,
    payment: PaymentId,
    key: &str,
    ending: Ending,
    detail: Option<&str>,
) -> Result<Answered, Refusal> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(embed)]
        operation: PaymentOperation,
        #[diesel(sql_type = Bool)]
        is_news: bool,
    }
    // Raw: an UPDATE whose result stands for its row among the others of the payment, in one statement. The payment is
    // locked before its operations, as by a claim.
    let rows: Vec<Row> = diesel::sql_query(
        "WITH locked AS (SELECT id FROM payments WHERE id = $1 FOR NO KEY UPDATE), answered AS (
             UPDATE payment_operations SET answer = $3, detail = $4, answered_at = clock_timestamp()
             FROM locked WHERE payment_id = locked.id AND key = $2 AND (answer IS NULL OR answer <> 'done' AND $3 = 'done')
             RETURNING key, attempt, kind, amount, asked_at, answer, detail, answered_at
         )
         SELECT *, true AS is_news FROM answered
         UNION ALL
         SELECT key, attempt, kind, amount, asked_at, answer, detail, answered_at, false FROM payment_operations
         WHERE payment_id = $1 AND key NOT IN (SELECT key FROM answered)
         ORDER BY attempt",
    )
    .bind::<SqlUuid, _>(payment)
    .bind::<Text, _>(key)
    .bind::<Text, _>(ending)
    .bind::<Nullable<Text>, _>(detail)
    .prepared()
    .load(conn)
    .await?;
    let is_news = rows.iter().any(|row| row.is_news);
    Ok(Answered { all: rows.into_iter().map(|row| row.operation).collect(), is_news })
}

/// Notes why an open operation has no answer.
pub async fn note_no_answer(conn: &mut Conn, payment: PaymentId, key: &str, why: &str) -> Result<(), Refusal> {
    // Before its operations, as by a claim.
    payments::table.find(payment).select(payments::fence).for_no_key_update().first::<i64>(conn).await?;
    let open = payment_operations::table.find(key).filter(payment_operations::answer.is_null());
    diesel::update(open).set(payment_operations::detail.eq(why)).prepared().execute(conn).await?;
    Ok(())
}
