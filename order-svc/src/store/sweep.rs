//! Finds, from the tables alone, what is waiting for something that nothing is scheduled to do.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Array, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::OrderId;
use pannier_contracts::order::OrderState;
use pannier_contracts::payment::PaymentState;
use pannier_platform::{Conn, Prepare as _, Refusal};

use crate::domain::deadlines::expiry;
use crate::domain::settlement::{is_open, needs_work};

/// Orders that were placed longer ago and ended early have got their money back.
const SETTLED_AFTER: TimeDelta = TimeDelta::days(2);

/// Gives a timer, due at once, to each order that expires in its state, has no timer, and was placed an hour ago. Returns
/// how many there were.
pub async fn restore_expiry_timers(conn: &mut Conn) -> Result<usize, Refusal> {
    let expiring = OrderState::ALL.iter().filter_map(|state| expiry(*state).map(|expiry| (*state, expiry.timer)));
    let (states, timers): (Vec<OrderState>, Vec<&str>) = expiring.unzip();
    // Raw: INSERT … SELECT with `unnest`, which pairs each state with its timer.
    Ok(diesel::sql_query(
        "INSERT INTO timers (aggregate, aggregate_id, kind, fire_at)
         SELECT 'order', o.id, expiring.timer, clock_timestamp()
         FROM orders o JOIN unnest($1, $2) AS expiring (state, timer) ON expiring.state = o.state
         WHERE o.is_open AND o.placed_at < statement_timestamp() - interval '1 h'
             AND NOT EXISTS (SELECT 1 FROM timers t WHERE t.aggregate_id = o.id)
         ON CONFLICT DO NOTHING",
    )
    .bind::<Array<Text>, _>(states)
    .bind::<Array<Text>, _>(timers)
    .prepared()
    .execute(conn)
    .await?)
}

/// Makes each payment due that is not, although an operation is open or its order needs one ([`needs_work`]). Returns how
/// many there were.
pub async fn make_idle_payments_due(conn: &mut Conn) -> Result<usize, Refusal> {
    // Open payments by the index `payments_open`, which only a condition with the same states in its text can use, and
    // orders that have ended early by `orders_ended_early`: ids grow with time.
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let open = PaymentState::ALL.iter().filter(|state| is_open(**state));
        let open = open.map(|state| format!("'{state}'")).collect::<Vec<_>>().join(", ");
        format!(
            "UPDATE payments p SET next_attempt_at = clock_timestamp()
             FROM (SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id
                   WHERE p.next_attempt_at IS NULL AND p.state IN ({open})
                       AND ((p.state, o.state) IN (SELECT * FROM unnest($2, $3))
                            OR EXISTS (SELECT FROM payment_operations y WHERE y.payment_id = p.id AND y.answer IS NULL))
                   UNION
                   SELECT p.id FROM orders o JOIN payments p ON p.order_id = o.id
                   WHERE o.has_ended_early AND o.id > $1 AND p.next_attempt_at IS NULL
                       AND (p.state, o.state) IN (SELECT * FROM unnest($2, $3))
                       AND (p.captured = 0 OR p.refunded < p.captured * o.refund_share / 100)) AS idle
             WHERE p.id = idle.id"
        )
    });
    let pairs =
        PaymentState::ALL.iter().flat_map(|payment| OrderState::ALL.iter().map(move |order| (*payment, *order)));
    let (payments, orders): (Vec<PaymentState>, Vec<OrderState>) =
        pairs.filter(|(payment, order)| needs_work(*payment, *order)).unzip();
    // Raw: UPDATE … FROM a union, with `unnest` for pairs of states.
    Ok(diesel::sql_query(&*TEXT)
        .bind::<SqlUuid, _>(lowest_id_at(Utc::now() - SETTLED_AFTER))
        .bind::<Array<Text>, _>(payments)
        .bind::<Array<Text>, _>(orders)
        .prepared()
        .execute(conn)
        .await?)
}

/// The lowest id that an order placed at `time` can have.
fn lowest_id_at(time: DateTime<Utc>) -> OrderId {
    let ms = u64::try_from(time.timestamp_millis()).unwrap_or(0);
    OrderId(uuid::Builder::from_unix_timestamp_millis(ms, &[0; 10]).into_uuid())
}
