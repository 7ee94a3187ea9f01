//! Payments and the ledger.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::payment::{PaymentSnapshot, PaymentState};
use pannier_contracts::{Currency, Money, OrderId, PaymentId, Version};
use pannier_platform::db::{Bell, ring_after_commit};
use pannier_platform::{Cause, Conn, Prepare as _, Refusal, events};
use uuid::Uuid;

use super::schema::{ledger, payments};

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
    pub locked_until: Option<DateTime<Utc>>,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub failures: i32,
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
}

/// Whoever watches an order hears of its money.
fn audience(order: OrderId) -> String {
    order.0.to_string()
}

/// Opens the payment of a new order; the reconciler looks at it at once.
///
/// # Errors
/// What the database says.
pub async fn open(conn: &mut Conn, cause: &Cause, order: OrderId, method: &str, amount: Money) -> Result<(), Refusal> {
    let payment = Payment {
        id: PaymentId::generate(),
        version: Version::FIRST,
        state: PaymentState::Initiated,
        order_id: order,
        method: method.to_owned(),
        currency: amount.currency,
        amount: amount.amount,
        attempt: 1,
        operation: None,
        operation_key: None,
        locked_until: None,
        next_attempt_at: None,
        failures: 0,
        last_error: None,
    };
    diesel::insert_into(payments::table)
        .values((
            payments::id.eq(payment.id.0),
            payments::version.eq(payment.version.0),
            payments::state.eq(payment.state.as_str()),
            payments::order_id.eq(order.0),
            payments::method.eq(method),
            payments::currency.eq(amount.currency.as_str()),
            payments::amount.eq(amount.amount),
            payments::next_attempt_at.eq(diesel::dsl::now),
        ))
        .execute(conn)
        .await?;
    ring_after_commit(Bell::Payments);
    events::append(conn, cause, "opened", Some(audience(order)), &payment.snapshot()).await
}

/// The payment of an order.
///
/// # Errors
/// What the database says; `NotFound` when the order has none, which cannot be.
pub async fn of_order(conn: &mut Conn, order: OrderId) -> Result<Payment, Refusal> {
    payments::table
        .filter(payments::order_id.eq(order.0))
        .select(Payment::as_select())
        .first(conn)
        .await
        .optional()?
        .ok_or(Refusal::NotFound("payment"))
}

/// Has the reconciler look at an order's payment at once.
///
/// # Errors
/// What the database says.
pub async fn wake(conn: &mut Conn, order: OrderId) -> Result<(), Refusal> {
    diesel::update(payments::table.filter(payments::order_id.eq(order.0)))
        .set((payments::next_attempt_at.eq(diesel::dsl::now), payments::failures.eq(0)))
        .prepared()
        .execute(conn)
        .await?;
    ring_after_commit(Bell::Payments);
    Ok(())
}

/// Is any payment due, and nobody's at the moment?
///
/// # Errors
/// What the database says.
pub async fn any_due(conn: &mut Conn) -> Result<bool, Refusal> {
    let now = || diesel::dsl::now.into_sql::<diesel::sql_types::Timestamptz>().nullable();
    let due = payments::table
        .filter(payments::next_attempt_at.le(now()))
        .filter(payments::locked_until.is_null().or(payments::locked_until.lt(now())));
    Ok(diesel::select(diesel::dsl::exists(due)).get_result(conn).await?)
}

/// How long a worker has a payment for itself: longer than the gateway's timeout, short enough that a killed one is no drama.
const LOCK_S: f64 = 10.0;

/// Takes payments that are due, for this worker alone.
///
/// # Errors
/// What the database says.
pub async fn take_due(conn: &mut Conn, limit: i64) -> Result<Vec<OrderId>, Refusal> {
    #[derive(QueryableByName)]
    struct Taken {
        #[diesel(sql_type = SqlUuid)]
        order_id: Uuid,
    }
    let taken: Vec<Taken> = diesel::sql_query(
        "UPDATE payments SET locked_until = clock_timestamp() + $1 * interval '1 s'
         WHERE id IN (SELECT id FROM payments WHERE next_attempt_at <= clock_timestamp()
                          AND (locked_until IS NULL OR locked_until < clock_timestamp())
                      ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED)
         RETURNING order_id",
    )
    .bind::<Double, _>(LOCK_S)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(taken.into_iter().map(|t| OrderId(t.order_id)).collect())
}

/// Notes what is about to be asked of the gateway, before it is asked.
///
/// # Errors
/// What the database says.
pub async fn intend(conn: &mut Conn, id: PaymentId, operation: &str, key: &str) -> Result<(), Refusal> {
    diesel::update(payments::table.find(id.0))
        .set((payments::operation.eq(operation), payments::operation_key.eq(key)))
        .execute(conn)
        .await?;
    Ok(())
}

/// The payment is as it should be: the reconciler need not look again until it is woken. A wake that came since
/// `payment` was read stands: its order has moved on.
///
/// # Errors
/// What the database says.
pub async fn rest(conn: &mut Conn, payment: &Payment) -> Result<(), Refusal> {
    diesel::sql_query(
        "UPDATE payments SET locked_until = NULL, failures = 0, last_error = NULL,
                next_attempt_at = CASE WHEN next_attempt_at IS DISTINCT FROM $2 THEN next_attempt_at END
         WHERE id = $1",
    )
    .bind::<SqlUuid, _>(payment.id.0)
    .bind::<diesel::sql_types::Nullable<diesel::sql_types::Timestamptz>, _>(payment.next_attempt_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// The gateway did not answer: look again later, 5 s doubling to an hour.
///
/// # Errors
/// What the database says.
pub async fn postpone(conn: &mut Conn, id: PaymentId, why: &str) -> Result<(), Refusal> {
    diesel::sql_query(
        "UPDATE payments SET failures = failures + 1, last_error = $2, locked_until = NULL,
                next_attempt_at = clock_timestamp() + least(3600, 5 * power(2, least(failures, 10))) * interval '1 s'
         WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id.0)
    .bind::<Text, _>(why)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the next version of a payment, if nobody else has, and its event. The pending operation is over; the
/// reconciler looks once more whether this is where the order wants it.
///
/// # Errors
/// `Conflict` when somebody was faster.
pub async fn advance(conn: &mut Conn, cause: &Cause, payment: &Payment, to: PaymentState) -> Result<Payment, Refusal> {
    let after =
        Payment { version: payment.version.next(), state: to, operation: None, operation_key: None, ..payment.clone() };
    let updated = diesel::update(payments::table.find(payment.id.0).filter(payments::version.eq(payment.version.0)))
        .set((
            payments::version.eq(after.version.0),
            payments::state.eq(to.as_str()),
            payments::operation.eq(None::<String>),
            payments::operation_key.eq(None::<String>),
            payments::locked_until.eq(None::<DateTime<Utc>>),
            payments::next_attempt_at.eq(diesel::dsl::now.into_sql::<diesel::sql_types::Timestamptz>().nullable()),
        ))
        .execute(conn)
        .await?;
    if updated == 0 {
        return Err(Refusal::Conflict);
    }
    ring_after_commit(Bell::Payments);
    events::append(conn, cause, "changed", Some(audience(after.order_id)), &after.snapshot()).await?;
    Ok(after)
}

/// Writes the next version of a payment whose operation has no answer: the operation stays noted, so that it is asked about.
///
/// # Errors
/// `Conflict` when somebody was faster.
pub async fn lose_track(conn: &mut Conn, cause: &Cause, payment: &Payment, to: PaymentState) -> Result<(), Refusal> {
    let after = Payment { version: payment.version.next(), state: to, ..payment.clone() };
    let updated = diesel::update(payments::table.find(payment.id.0).filter(payments::version.eq(payment.version.0)))
        .set((payments::version.eq(after.version.0), payments::state.eq(to.as_str())))
        .execute(conn)
        .await?;
    if updated == 0 {
        return Err(Refusal::Conflict);
    }
    events::append(conn, cause, "changed", Some(audience(after.order_id)), &after.snapshot()).await
}

/// The noted operation never reached the gateway: decide again, now.
///
/// # Errors
/// What the database says.
pub async fn forget_operation(conn: &mut Conn, id: PaymentId) -> Result<(), Refusal> {
    diesel::update(payments::table.find(id.0))
        .set((
            payments::operation.eq(None::<String>),
            payments::operation_key.eq(None::<String>),
            payments::locked_until.eq(None::<DateTime<Utc>>),
            payments::next_attempt_at.eq(diesel::dsl::now.into_sql::<diesel::sql_types::Timestamptz>().nullable()),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Another try of the customer, with another method.
///
/// # Errors
/// What the database says.
pub async fn use_method(conn: &mut Conn, id: PaymentId, method: &str) -> Result<(), Refusal> {
    diesel::update(payments::table.find(id.0))
        .set((payments::method.eq(method), payments::attempt.eq(payments::attempt + 1), payments::failures.eq(0)))
        .execute(conn)
        .await?;
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
/// What the database says.
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
        .execute(conn)
        .await?;
    Ok(())
}

/// An order's entries, oldest first.
///
/// # Errors
/// What the database says.
pub async fn entries(conn: &mut Conn, order: OrderId) -> Result<Vec<Entry>, Refusal> {
    Ok(ledger::table
        .filter(ledger::order_id.eq(order.0))
        .order(ledger::at)
        .select(Entry::as_select())
        .load(conn)
        .await?)
}
