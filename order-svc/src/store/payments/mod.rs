//! Payments: one row for each order. A new version is guarded by the version before; what only the reconciler writes is
//! guarded by its claim ([`operations`]).

pub mod operations;

use chrono::{DateTime, Utc};
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel_async::RunQueryDsl;
use pannier_contracts::payment::{PaymentSnapshot, PaymentState};
use pannier_contracts::{Currency, Money, OrderId, PaymentId, Version, stored_as_text};
use pannier_platform::db::functions::clock_timestamp;
use pannier_platform::db::{Wakeup, wake_after_commit};
use pannier_platform::{Cause, Conn, Prepare as _, Refusal, events};

use super::schema::payments;
use crate::domain::settlement::Operation;

stored_as_text!(Operation);

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
    pub operation: Option<Operation>,
    pub operation_key: Option<String>,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub fence: i64,
    pub last_error: Option<String>,
}

impl Payment {
    /// The payment of a new order. Its authorisation is noted, and due at once.
    #[must_use]
    pub fn new(order_id: OrderId, method: &str, amount: Money, now: DateTime<Utc>) -> Self {
        let payment = Self {
            id: PaymentId::generate(),
            version: Version::FIRST,
            state: PaymentState::Initiated,
            order_id,
            method: method.to_owned(),
            currency: amount.currency,
            amount: amount.amount,
            attempt: 1,
            operation: Some(Operation::Authorise),
            operation_key: None,
            next_attempt_at: Some(now),
            fence: 0,
            last_error: None,
        };
        Self { operation_key: Some(payment.key_of(Operation::Authorise)), ..payment }
    }

    /// What the order costs.
    #[must_use]
    pub fn money(&self) -> Money {
        Money::new(self.amount, self.currency)
    }

    /// The operation that is noted and not answered yet, with its key.
    #[must_use]
    pub fn pending(&self) -> Option<(Operation, String)> {
        self.operation.zip(self.operation_key.clone())
    }

    /// The gateway's idempotency key of an operation: the same for each request of it in the same attempt.
    #[must_use]
    pub fn key_of(&self, operation: Operation) -> String {
        format!("{}.{operation}.{}", self.id, self.attempt)
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

/// Writes a new payment and its event; the reconciler looks at it right after the commit.
pub async fn insert(conn: &mut Conn, cause: &Cause, payment: &Payment) -> Result<(), Refusal> {
    diesel::insert_into(payments::table).values(payment).prepared().execute(conn).await?;
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

/// Has the reconciler look at a payment right after the commit. `operation` is noted for it, unless the payment has
/// changed since it was read or another operation is noted: then the reconciler decides.
pub async fn make_due(conn: &mut Conn, payment: &Payment, operation: Option<Operation>) -> Result<(), Refusal> {
    let is_unchanged = payments::version.eq(payment.version).and(payments::operation.is_null());
    let key = operation.map(|operation| payment.key_of(operation));
    diesel::update(payments::table.find(payment.id))
        .set((
            payments::next_attempt_at.eq(clock_timestamp().nullable()),
            payments::failures.eq(0),
            payments::operation
                .eq(case_when(is_unchanged, operation.into_sql::<Nullable<Text>>()).otherwise(payments::operation)),
            payments::operation_key
                .eq(case_when(is_unchanged, key.into_sql::<Nullable<Text>>()).otherwise(payments::operation_key)),
        ))
        .prepared()
        .execute(conn)
        .await?;
    wake_after_commit(Wakeup::Payments);
    Ok(())
}

/// Has the reconciler look at a payment that is not at rest: the gateway says that something happened to it. Nothing happens
/// when there is no such payment.
pub async fn wake(conn: &mut Conn, id: PaymentId) -> Result<(), Refusal> {
    let waiting = payments::table.find(id).filter(payments::next_attempt_at.gt(clock_timestamp().nullable()));
    let woken = diesel::update(waiting).set(payments::next_attempt_at.eq(clock_timestamp().nullable()));
    if woken.prepared().execute(conn).await? > 0 {
        wake_after_commit(Wakeup::Payments);
    }
    Ok(())
}

/// Writes the next version of a payment, and its event. The noted operation is over; `then` is the next one, noted and
/// due at once. Without one the payment is not due any more, unless it was made due since it was read.
///
/// # Errors
/// [`Refusal::Conflict`] when a concurrent update won.
pub async fn update(
    conn: &mut Conn,
    cause: &Cause,
    payment: &Payment,
    to: PaymentState,
    then: Option<Operation>,
) -> Result<(), Refusal> {
    let after = Payment {
        version: payment.version.next(),
        state: to,
        operation: then,
        operation_key: then.map(|operation| payment.key_of(operation)),
        ..payment.clone()
    };
    let was_made_due = payments::next_attempt_at.is_distinct_from(payment.next_attempt_at);
    let updated: Option<bool> =
        diesel::update(payments::table.find(payment.id).filter(payments::version.eq(payment.version)))
            .set((
                payments::version.eq(after.version),
                payments::state.eq(after.state),
                payments::operation.eq(after.operation),
                payments::operation_key.eq(&after.operation_key),
                payments::asked_at.eq(None::<DateTime<Utc>>),
                payments::locked_until.eq(None::<DateTime<Utc>>),
                payments::failures.eq(0),
                payments::last_error.eq(None::<String>),
                payments::next_attempt_at.eq(case_when(
                    then.is_some().into_sql::<Bool>(),
                    clock_timestamp().nullable(),
                )
                .otherwise(case_when(was_made_due, payments::next_attempt_at))),
            ))
            .returning(payments::next_attempt_at.is_not_null())
            .prepared()
            .get_result(conn)
            .await
            .optional()?;
    wake_if_due(updated.ok_or(Refusal::Conflict)?);
    announce(conn, cause, "changed", &after).await
}

/// A payment that is still due was made so while it was claimed, when no worker could take it.
fn wake_if_due(is_due: bool) {
    if is_due {
        wake_after_commit(Wakeup::Payments);
    }
}

/// Begins another attempt, with another method; due at once.
pub async fn begin_attempt(conn: &mut Conn, id: PaymentId, method: &str) -> Result<(), Refusal> {
    diesel::update(payments::table.find(id))
        .set((
            payments::method.eq(method),
            payments::attempt.eq(payments::attempt + 1),
            payments::failures.eq(0),
            payments::next_attempt_at.eq(clock_timestamp().nullable()),
        ))
        .prepared()
        .execute(conn)
        .await?;
    wake_after_commit(Wakeup::Payments);
    Ok(())
}
