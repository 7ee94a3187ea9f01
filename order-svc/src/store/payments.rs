//! Payments and the ledger.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::order::OrderState;
use pannier_contracts::payment::{PaymentSnapshot, PaymentState};
use pannier_contracts::{Currency, Money, OrderId, PaymentId, Version};
use pannier_platform::db::{Wakeup, wake_after_commit};
use pannier_platform::{Cause, Conn, Prepare as _, Refusal, events};
use uuid::Uuid;

use super::orders::PaymentNow;
use super::schema::{ledger, payments};
use crate::payments::gateway::Operation;

/// A payment's row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payments)]
#[allow(missing_docs, reason = "columns; the migration documents them")]
pub struct Payment {
    #[diesel(deserialize_as = Uuid)]
    pub id: PaymentId,
    #[diesel(deserialize_as = i64)]
    pub version: Version,
    #[diesel(deserialize_as = String)]
    pub state: PaymentState,
    #[diesel(deserialize_as = Uuid)]
    pub order_id: OrderId,
    pub method: String,
    #[diesel(deserialize_as = String)]
    pub currency: Currency,
    pub amount: i64,
    pub attempt: i32,
    pub operation: Option<String>,
    pub operation_key: Option<String>,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub fence: i64,
    pub last_error: Option<String>,
}

impl Payment {
    /// What the order costs.
    #[must_use]
    pub fn money(&self) -> Money {
        Money::new(self.amount, self.currency)
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

    /// The payment as it was read with its order; what never changes is taken from here.
    #[must_use]
    pub fn as_read(&self, now: &PaymentNow) -> Self {
        Self {
            version: now.version,
            state: now.state,
            attempt: now.attempt,
            next_attempt_at: now.next_attempt_at,
            ..self.clone()
        }
    }
}

/// The gateway's idempotency key of an operation: the same one however often it is asked for.
#[must_use]
pub fn operation_key(id: PaymentId, operation: Operation, attempt: i32) -> String {
    format!("{id}.{operation}.{attempt}")
}

/// Whoever watches an order hears of its money.
fn audience(order: OrderId) -> String {
    order.0.to_string()
}

/// Opens the payment of a new order, with the authorisation noted: the reconciler asks for it right after the commit.
///
/// # Errors
/// What the database refuses.
pub async fn open(
    conn: &mut Conn,
    cause: &Cause,
    id: PaymentId,
    order: OrderId,
    method: &str,
    amount: Money,
) -> Result<(), Refusal> {
    diesel::insert_into(payments::table)
        .values((
            payments::id.eq(id.0),
            payments::version.eq(Version::FIRST.0),
            payments::state.eq(PaymentState::Initiated.as_str()),
            payments::order_id.eq(order.0),
            payments::method.eq(method),
            payments::currency.eq(amount.currency.as_str()),
            payments::amount.eq(amount.amount),
            payments::operation.eq(Operation::Authorise.as_str()),
            payments::operation_key.eq(operation_key(id, Operation::Authorise, 1)),
            payments::next_attempt_at.eq(diesel::dsl::now),
        ))
        .prepared()
        .execute(conn)
        .await?;
    wake_after_commit(Wakeup::Payments);
    let opened =
        PaymentSnapshot { id, version: Version::FIRST, state: PaymentState::Initiated, order_id: order, amount };
    events::append(conn, cause, "opened", Some(audience(order)), &opened).await
}

/// The payment of an order.
///
/// # Errors
/// `NotFound` when the order has none, which cannot be.
pub async fn of_order(conn: &mut Conn, order: OrderId) -> Result<Payment, Refusal> {
    payments::table
        .filter(payments::order_id.eq(order.0))
        .select(Payment::as_select())
        .first(conn)
        .await
        .optional()?
        .ok_or(Refusal::NotFound("payment"))
}

/// Has the reconciler look at a payment at once. `operation` is what is wanted of the gateway, given the payment as it
/// was read; if the payment has moved on since, or another operation is under way, the reconciler decides.
///
/// # Errors
/// What the database refuses.
pub async fn wake(conn: &mut Conn, payment: &PaymentNow, operation: Option<Operation>) -> Result<(), Refusal> {
    diesel::sql_query(
        "UPDATE payments SET next_attempt_at = clock_timestamp(), failures = 0,
                operation = CASE WHEN version = $2 AND operation IS NULL THEN $3 ELSE operation END,
                operation_key = CASE WHEN version = $2 AND operation IS NULL THEN $4 ELSE operation_key END
         WHERE id = $1",
    )
    .bind::<SqlUuid, _>(payment.id.0)
    .bind::<BigInt, _>(payment.version.0)
    .bind::<Nullable<Text>, _>(operation.map(Operation::as_str))
    .bind::<Nullable<Text>, _>(operation.map(|operation| operation_key(payment.id, operation, payment.attempt)))
    .prepared()
    .execute(conn)
    .await?;
    wake_after_commit(Wakeup::Payments);
    Ok(())
}

/// How long a worker has a payment for itself: longer than the gateway's timeout, short enough that a killed one is no drama.
const LOCK_S: f64 = 10.0;

/// A payment that this worker has for itself.
#[derive(Debug, Clone)]
pub struct Taken {
    /// As it is now: with this worker's fence.
    pub payment: Payment,
    /// Where its order is.
    pub order: OrderState,
    /// Its operation was asked for before, and nobody knows the answer.
    pub was_asked: bool,
    /// The trace of what happened to the order last: what is done now is done because of it.
    pub traceparent: Option<String>,
}

/// Takes payments that are due, for this worker alone, and marks their operations as asked.
///
/// # Errors
/// What the database refuses.
pub async fn take_due(conn: &mut Conn, limit: i64) -> Result<Vec<Taken>, Refusal> {
    #[derive(QueryableByName)]
    #[diesel(check_for_backend(diesel::pg::Pg))]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = BigInt)]
        version: i64,
        #[diesel(sql_type = Text)]
        state: String,
        #[diesel(sql_type = SqlUuid)]
        order_id: Uuid,
        #[diesel(sql_type = Text)]
        method: String,
        #[diesel(sql_type = Text)]
        currency: String,
        #[diesel(sql_type = BigInt)]
        amount: i64,
        #[diesel(sql_type = Integer)]
        attempt: i32,
        #[diesel(sql_type = Nullable<Text>)]
        operation: Option<String>,
        #[diesel(sql_type = Nullable<Text>)]
        operation_key: Option<String>,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        next_attempt_at: Option<DateTime<Utc>>,
        #[diesel(sql_type = BigInt)]
        fence: i64,
        #[diesel(sql_type = Text)]
        order_state: String,
        #[diesel(sql_type = Bool)]
        was_asked: bool,
        #[diesel(sql_type = Nullable<Text>)]
        traceparent: Option<String>,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "UPDATE payments p SET locked_until = clock_timestamp() + $1 * interval '1 s', fence = p.fence + 1,
                asked_at = CASE WHEN p.operation IS NOT NULL THEN coalesce(p.asked_at, clock_timestamp()) END
         FROM (SELECT id, asked_at FROM payments WHERE next_attempt_at <= statement_timestamp()
                   AND (locked_until IS NULL OR locked_until < statement_timestamp())
               ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS due, orders o
         WHERE p.id = due.id AND o.id = p.order_id
         RETURNING p.id, p.version, p.state, p.order_id, p.method, p.currency, p.amount, p.attempt, p.operation, p.operation_key,
             p.next_attempt_at, p.fence, o.state AS order_state, due.asked_at IS NOT NULL AS was_asked,
             (SELECT e.traceparent FROM events e WHERE e.aggregate = 'order' AND e.aggregate_id = p.order_id
              ORDER BY e.version DESC LIMIT 1) AS traceparent",
    )
    .bind::<Double, _>(LOCK_S)
    .bind::<BigInt, _>(limit)
    .prepared()
    .load(conn)
    .await?;
    let taken = |row: Row| -> anyhow::Result<Taken> {
        Ok(Taken {
            payment: Payment {
                id: PaymentId(row.id),
                version: Version(row.version),
                state: row.state.parse()?,
                order_id: OrderId(row.order_id),
                method: row.method,
                currency: row.currency.parse()?,
                amount: row.amount,
                attempt: row.attempt,
                operation: row.operation,
                operation_key: row.operation_key,
                next_attempt_at: row.next_attempt_at,
                fence: row.fence,
                last_error: None,
            },
            order: row.order_state.parse()?,
            was_asked: row.was_asked,
            traceparent: row.traceparent,
        })
    };
    rows.into_iter().map(|row| taken(row).map_err(Refusal::Bug)).collect()
}

/// Notes what is about to be asked of the gateway, before it is asked. False when another worker has taken it since.
///
/// # Errors
/// What the database refuses.
pub async fn intend(conn: &mut Conn, payment: &Payment, operation: Operation, key: &str) -> Result<bool, Refusal> {
    let mine = payments::table.find(payment.id.0).filter(payments::fence.eq(payment.fence));
    let noted = diesel::update(mine.filter(payments::operation.is_null()))
        .set((
            payments::operation.eq(operation.as_str()),
            payments::operation_key.eq(key),
            payments::asked_at.eq(diesel::dsl::now.into_sql::<Timestamptz>().nullable()),
        ))
        .prepared()
        .execute(conn)
        .await?;
    Ok(noted == 1)
}

/// Is a payment to be looked at again?
#[derive(QueryableByName)]
struct IsDue {
    #[diesel(sql_type = Bool)]
    is_due: bool,
}

/// Something was noted, or a wake came while the payment was locked, when nobody could take it.
fn ring_if_due(payment: Option<&IsDue>) {
    if payment.is_some_and(|payment| payment.is_due) {
        wake_after_commit(Wakeup::Payments);
    }
}

/// The payment is as it should be: the reconciler need not look again until it is woken. A wake that came since
/// `payment` was taken stands: its order has moved on.
///
/// # Errors
/// What the database refuses.
pub async fn rest(conn: &mut Conn, payment: &Payment) -> Result<(), Refusal> {
    let rested: Option<IsDue> = diesel::sql_query(
        "UPDATE payments SET locked_until = NULL, failures = 0, last_error = NULL,
                next_attempt_at = CASE WHEN next_attempt_at IS DISTINCT FROM $3 THEN next_attempt_at END
         WHERE id = $1 AND fence = $2 RETURNING next_attempt_at IS NOT NULL AS is_due",
    )
    .bind::<SqlUuid, _>(payment.id.0)
    .bind::<BigInt, _>(payment.fence)
    .bind::<Nullable<Timestamptz>, _>(payment.next_attempt_at)
    .prepared()
    .get_result(conn)
    .await
    .optional()?;
    ring_if_due(rested.as_ref());
    Ok(())
}

/// The gateway did not answer: look again later, 5 s doubling to an hour. Nothing when another worker has taken it since:
/// that one asks, too.
///
/// # Errors
/// What the database refuses.
pub async fn postpone(conn: &mut Conn, payment: &Payment, why: &str) -> Result<(), Refusal> {
    diesel::sql_query(
        "UPDATE payments SET failures = failures + 1, last_error = $3, locked_until = NULL,
                next_attempt_at = clock_timestamp() + least(3600, 5 * power(2, least(failures, 10))) * interval '1 s'
         WHERE id = $1 AND fence = $2",
    )
    .bind::<SqlUuid, _>(payment.id.0)
    .bind::<BigInt, _>(payment.fence)
    .bind::<Text, _>(why)
    .prepared()
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the next version of a payment, if nobody else has, and its event. The pending operation is over; `then` is the
/// next one, noted at once. Without one the payment rests, unless it was woken since it was read: then the reconciler
/// looks again.
///
/// # Errors
/// `Conflict` when a concurrent update won.
pub async fn advance(
    conn: &mut Conn,
    cause: &Cause,
    payment: &Payment,
    to: PaymentState,
    then: Option<Operation>,
) -> Result<Payment, Refusal> {
    let after = Payment { version: payment.version.next(), state: to, ..payment.clone() };
    let updated: Option<IsDue> = diesel::sql_query(
        "UPDATE payments SET version = $3, state = $4, operation = $5, operation_key = $6, asked_at = NULL, locked_until = NULL,
                failures = 0, last_error = NULL,
                next_attempt_at = CASE WHEN $5 IS NOT NULL THEN clock_timestamp()
                                       WHEN next_attempt_at IS DISTINCT FROM $7 THEN next_attempt_at END
         WHERE id = $1 AND version = $2 RETURNING next_attempt_at IS NOT NULL AS is_due",
    )
    .bind::<SqlUuid, _>(payment.id.0)
    .bind::<BigInt, _>(payment.version.0)
    .bind::<BigInt, _>(after.version.0)
    .bind::<Text, _>(to.as_str())
    .bind::<Nullable<Text>, _>(then.map(Operation::as_str))
    .bind::<Nullable<Text>, _>(then.map(|operation| operation_key(payment.id, operation, payment.attempt)))
    .bind::<Nullable<Timestamptz>, _>(payment.next_attempt_at)
    .prepared()
    .get_result(conn)
    .await
    .optional()?;
    let updated = updated.ok_or(Refusal::Conflict)?;
    ring_if_due(Some(&updated));
    events::append(conn, cause, "changed", Some(audience(after.order_id)), &after.snapshot()).await?;
    Ok(after)
}

/// Writes the next version of a payment whose operation has no answer: the operation stays noted, so that it is asked about.
///
/// # Errors
/// `Conflict` when a concurrent update won.
pub async fn lose_track(conn: &mut Conn, cause: &Cause, payment: &Payment, to: PaymentState) -> Result<(), Refusal> {
    let after = Payment { version: payment.version.next(), state: to, ..payment.clone() };
    let updated = diesel::update(payments::table.find(payment.id.0).filter(payments::version.eq(payment.version.0)))
        .set((payments::version.eq(after.version.0), payments::state.eq(to.as_str())))
        .prepared()
        .execute(conn)
        .await?;
    if updated == 0 {
        return Err(Refusal::Conflict);
    }
    events::append(conn, cause, "changed", Some(audience(after.order_id)), &after.snapshot()).await
}

/// The noted operation never reached the gateway: decide again, now. Nothing when another worker has taken it since.
///
/// # Errors
/// What the database refuses.
pub async fn forget_operation(conn: &mut Conn, payment: &Payment) -> Result<(), Refusal> {
    let mine = payments::table.find(payment.id.0).filter(payments::fence.eq(payment.fence));
    diesel::update(mine)
        .set((
            payments::operation.eq(None::<String>),
            payments::operation_key.eq(None::<String>),
            payments::asked_at.eq(None::<DateTime<Utc>>),
            payments::locked_until.eq(None::<DateTime<Utc>>),
            payments::next_attempt_at.eq(diesel::dsl::now.into_sql::<Timestamptz>().nullable()),
        ))
        .prepared()
        .execute(conn)
        .await?;
    wake_after_commit(Wakeup::Payments);
    Ok(())
}

/// An answer came for an operation that is not noted any more: it is noted again, so that the gateway is asked about it.
///
/// # Errors
/// What the database refuses.
pub async fn note_again(conn: &mut Conn, id: PaymentId, operation: Operation, key: &str) -> Result<(), Refusal> {
    diesel::update(payments::table.find(id.0).filter(payments::operation.is_null()))
        .set((
            payments::operation.eq(operation.as_str()),
            payments::operation_key.eq(key),
            payments::asked_at.eq(diesel::dsl::now.into_sql::<Timestamptz>().nullable()),
            payments::next_attempt_at.eq(diesel::dsl::now.into_sql::<Timestamptz>().nullable()),
        ))
        .prepared()
        .execute(conn)
        .await?;
    wake_after_commit(Wakeup::Payments);
    Ok(())
}

/// Another try of the customer, with another method.
///
/// # Errors
/// What the database refuses.
pub async fn use_method(conn: &mut Conn, id: PaymentId, method: &str) -> Result<(), Refusal> {
    diesel::update(payments::table.find(id.0))
        .set((
            payments::method.eq(method),
            payments::attempt.eq(payments::attempt + 1),
            payments::failures.eq(0),
            payments::next_attempt_at.eq(diesel::dsl::now.into_sql::<Timestamptz>().nullable()),
        ))
        .prepared()
        .execute(conn)
        .await?;
    wake_after_commit(Wakeup::Payments);
    Ok(())
}

/// An entry of our ledger.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = ledger)]
#[allow(missing_docs, reason = "columns; the migration documents them")]
pub struct Entry {
    pub kind: String,
    pub amount: i64,
    #[diesel(deserialize_as = String)]
    pub currency: Currency,
    pub operation_key: String,
    pub at: DateTime<Utc>,
}

/// Books money that moved. Booking the same kind for the same order again is a no-op: the key is (order, kind).
///
/// # Errors
/// What the database refuses.
pub async fn book(conn: &mut Conn, payment: &Payment, kind: &str, operation_key: &str) -> Result<(), Refusal> {
    diesel::insert_into(ledger::table)
        .values((
            ledger::order_id.eq(payment.order_id.0),
            ledger::kind.eq(kind),
            ledger::payment_id.eq(payment.id.0),
            ledger::amount.eq(payment.amount),
            ledger::currency.eq(payment.currency.as_str()),
            ledger::operation_key.eq(operation_key),
        ))
        .on_conflict((ledger::order_id, ledger::kind))
        .do_nothing()
        .prepared()
        .execute(conn)
        .await?;
    Ok(())
}

/// Is this operation in our ledger?
///
/// # Errors
/// What the database refuses.
pub async fn is_booked(conn: &mut Conn, operation_key: &str) -> Result<bool, Refusal> {
    let entry = ledger::table.filter(ledger::operation_key.eq(operation_key));
    Ok(diesel::select(diesel::dsl::exists(entry)).get_result(conn).await?)
}

/// An order's entries, oldest first.
///
/// # Errors
/// What the database refuses.
pub async fn entries(conn: &mut Conn, order: OrderId) -> Result<Vec<Entry>, Refusal> {
    Ok(ledger::table
        .filter(ledger::order_id.eq(order.0))
        .order(ledger::at)
        .select(Entry::as_select())
        .load(conn)
        .await?)
}
