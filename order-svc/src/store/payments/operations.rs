//! What the reconciler notes about operations at the gateway.
//!
//! A worker claims a payment for `CLAIM` and gets a *fence*, a number that grows with every claim. Its writes name the
//! fence, so that they change nothing once another worker has claimed the payment.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Interval, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::PaymentId;
use pannier_contracts::order::OrderState;
use pannier_contracts::payment::PaymentState;
use pannier_platform::db::functions::clock_timestamp;
use pannier_platform::db::{Wakeup, wake_after_commit};
use pannier_platform::{Cause, Conn, Prepare as _, Refusal};

use super::{Payment, announce, wake_if_due};
use crate::domain::settlement::Operation;
use crate::store::schema::payments;

/// How long a claim lasts: longer than the gateway's timeout, short enough that the payments of a killed worker do not
/// wait for long.
const CLAIM: TimeDelta = TimeDelta::seconds(10);

/// A payment that this worker has claimed.
#[derive(Debug, Clone, QueryableByName)]
pub struct ClaimedPayment {
    /// The payment, with this claim's fence.
    #[diesel(embed)]
    pub payment: Payment,
    /// The state of its order.
    #[diesel(sql_type = Text)]
    pub order_state: OrderState,
    /// Whether its noted operation was asked for before, by a claim that recorded no answer.
    #[diesel(sql_type = Bool)]
    pub was_asked: bool,
    /// The trace of the order's last event, which this work continues.
    #[diesel(sql_type = Nullable<Text>)]
    pub traceparent: Option<String>,
}

/// Claims at most `limit` payments that are due, and marks their operations as asked for.
pub async fn claim_due(conn: &mut Conn, limit: i64) -> Result<Vec<ClaimedPayment>, Refusal> {
    // Raw: UPDATE … FROM a subquery with SKIP LOCKED.
    Ok(diesel::sql_query(
        "UPDATE payments p SET locked_until = clock_timestamp() + $1, fence = p.fence + 1,
                asked_at = CASE WHEN p.operation IS NOT NULL THEN coalesce(p.asked_at, clock_timestamp()) END
         FROM (SELECT id, asked_at FROM payments WHERE next_attempt_at <= statement_timestamp()
                   AND (locked_until IS NULL OR locked_until < statement_timestamp())
               ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS due, orders o
         WHERE p.id = due.id AND o.id = p.order_id
         RETURNING p.id, p.version, p.state, p.order_id, p.method, p.currency, p.amount, p.attempt, p.operation, p.operation_key,
             p.next_attempt_at, p.fence, p.last_error, o.state AS order_state,
             p.operation IS NOT NULL AND due.asked_at IS NOT NULL AS was_asked,
             (SELECT e.traceparent FROM events e WHERE e.aggregate = 'order' AND e.aggregate_id = p.order_id
              ORDER BY e.version DESC LIMIT 1) AS traceparent",
    )
    .bind::<Interval, _>(CLAIM)
    .bind::<BigInt, _>(limit)
    .prepared()
    .load(conn)
    .await?)
}

/// Notes an operation that is about to be asked for. False when another worker has claimed the payment, or another
/// operation is noted: then it must not be asked for.
pub async fn begin(conn: &mut Conn, payment: &Payment, operation: Operation, key: &str) -> Result<bool, Refusal> {
    let claimed = payments::table.find(payment.id).filter(payments::fence.eq(payment.fence));
    let noted = diesel::update(claimed.filter(payments::operation.is_null()))
        .set((
            payments::operation.eq(operation),
            payments::operation_key.eq(key),
            payments::asked_at.eq(clock_timestamp().nullable()),
        ))
        .prepared()
        .execute(conn)
        .await?;
    Ok(noted == 1)
}

/// Ends the claim of a payment that needs nothing now. If it was made due since it was claimed, it stays due.
pub async fn release(conn: &mut Conn, payment: &Payment) -> Result<(), Refusal> {
    let was_made_due = payments::next_attempt_at.is_distinct_from(payment.next_attempt_at);
    let is_due = diesel::update(payments::table.find(payment.id).filter(payments::fence.eq(payment.fence)))
        .set((
            payments::locked_until.eq(None::<DateTime<Utc>>),
            payments::failures.eq(0),
            payments::last_error.eq(None::<String>),
            payments::next_attempt_at.eq(case_when(was_made_due, payments::next_attempt_at)),
        ))
        .returning(payments::next_attempt_at.is_not_null())
        .prepared()
        .get_result(conn)
        .await
        .optional()?;
    wake_if_due(is_due.unwrap_or(false));
    Ok(())
}

/// The gateway did not answer: the claim ends, and the payment is due again after 5 s, doubling with each failure up to
/// an hour. Nothing happens when another worker has claimed it since: that one asks, too.
pub async fn schedule_retry(conn: &mut Conn, payment: &Payment, error: &str) -> Result<(), Refusal> {
    // Raw: an interval computed from a column, which another transaction may have reset since the claim.
    diesel::sql_query(
        "UPDATE payments SET failures = failures + 1, last_error = $3, locked_until = NULL,
                next_attempt_at = clock_timestamp() + least(3600, 5 * power(2, least(failures, 10))) * interval '1 s'
         WHERE id = $1 AND fence = $2",
    )
    .bind::<SqlUuid, _>(payment.id)
    .bind::<BigInt, _>(payment.fence)
    .bind::<Text, _>(error)
    .prepared()
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the next version of a payment whose operation was not answered, and its event. The operation stays noted.
///
/// # Errors
/// [`Refusal::Conflict`] when a concurrent update won.
pub async fn mark_unknown(conn: &mut Conn, cause: &Cause, payment: &Payment, to: PaymentState) -> Result<(), Refusal> {
    let after = Payment { version: payment.version.next(), state: to, ..payment.clone() };
    let updated = diesel::update(payments::table.find(payment.id).filter(payments::version.eq(payment.version)))
        .set((payments::version.eq(after.version), payments::state.eq(after.state)))
        .prepared()
        .execute(conn)
        .await?;
    if updated == 0 {
        return Err(Refusal::Conflict);
    }
    announce(conn, cause, "changed", &after).await
}

/// The noted operation never reached the gateway: it is removed, the claim ends, and the payment is due at once. Nothing
/// happens when another worker has claimed it since.
pub async fn clear(conn: &mut Conn, payment: &Payment) -> Result<(), Refusal> {
    diesel::update(payments::table.find(payment.id).filter(payments::fence.eq(payment.fence)))
        .set((
            payments::operation.eq(None::<Operation>),
            payments::operation_key.eq(None::<String>),
            payments::asked_at.eq(None::<DateTime<Utc>>),
            payments::locked_until.eq(None::<DateTime<Utc>>),
            payments::next_attempt_at.eq(clock_timestamp().nullable()),
        ))
        .prepared()
        .execute(conn)
        .await?;
    wake_after_commit(Wakeup::Payments);
    Ok(())
}

/// Notes an operation again whose answer came after it was cleared, so that the gateway is asked about it. Nothing
/// happens when another operation is noted.
pub async fn reinstate(conn: &mut Conn, id: PaymentId, operation: Operation, key: &str) -> Result<(), Refusal> {
    diesel::update(payments::table.find(id).filter(payments::operation.is_null()))
        .set((
            payments::operation.eq(operation),
            payments::operation_key.eq(key),
            payments::asked_at.eq(clock_timestamp().nullable()),
            payments::next_attempt_at.eq(clock_timestamp().nullable()),
        ))
        .prepared()
        .execute(conn)
        .await?;
    wake_after_commit(Wakeup::Payments);
    Ok(())
}
