//! Finds from the tables alone what should have moved and did not. Works with the broker and Redis both away.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use pannier_platform::leases::Lease;
use pannier_platform::{Conn, Db, Instance, Prepare as _, Refusal, Stop};
use uuid::Uuid;

const EVERY: Duration = Duration::from_secs(10);

/// Orders that ended longer ago than this have settled.
const RECENT: TimeDelta = TimeDelta::days(2);

/// The lowest id that an order placed at a time can have.
fn first_id_of(time: DateTime<Utc>) -> Uuid {
    let ms = u64::try_from(time.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(ms, &[0; 10]).into_uuid()
}

/// Sweeps every ten seconds while this process holds the lease, until `stop`.
pub async fn run(db: Db, holder: Instance, stop: Stop) {
    let swept = db.clone();
    Lease::new(db, "sweeper", holder)
        .run(stop, move |held| {
            let db = swept.clone();
            async move {
                while !held.is_cancelled() {
                    if let Err(refusal) = db.transaction(|conn| sweep(conn).boxed()).await {
                        tracing::warn!(error = ?refusal, "the sweeper could not look; trying again");
                    }
                    tokio::select! {
                        () = held.cancelled() => {}
                        () = tokio::time::sleep(EVERY) => {}
                    }
                }
            }
        })
        .await;
}

/// One sweep.
///
/// # Errors
/// What the database says.
pub async fn sweep(conn: &mut Conn) -> Result<(), Refusal> {
    // An order that waits for something has a timer; one without would wait for ever.
    let timers = diesel::sql_query(
        "INSERT INTO timers (aggregate, aggregate_id, kind, fire_at)
         SELECT 'order', id, CASE state WHEN 'pending_payment' THEN 'payment' ELSE 'acceptance' END, clock_timestamp()
         FROM orders o WHERE is_open AND state IN ('pending_payment', 'paid') AND placed_at < statement_timestamp() - interval '1 h'
             AND NOT EXISTS (SELECT 1 FROM timers t WHERE t.aggregate_id = o.id)
         ON CONFLICT DO NOTHING",
    )
    .execute(conn)
    .await?;
    // A payment that is not where its order wants it, and that nobody means to look at. Only what is open is read, and
    // orders of the last two days that ended before the door: ids grow with time.
    let payments = diesel::sql_query(
        "UPDATE payments p SET next_attempt_at = clock_timestamp()
         FROM (SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id
               WHERE p.next_attempt_at IS NULL AND p.state IN ('initiated', 'authorised', 'unknown')
                   AND (p.operation IS NOT NULL OR p.state = 'initiated' OR o.state NOT IN ('pending_payment', 'paid'))
               UNION
               SELECT p.id FROM orders o JOIN payments p ON p.order_id = o.id
               WHERE o.has_ended_early AND o.id > $1 AND p.next_attempt_at IS NULL
                   AND p.state IN ('captured', 'partially_refunded')) AS resting
         WHERE p.id = resting.id",
    )
    .bind::<SqlUuid, _>(first_id_of(Utc::now() - RECENT))
    .prepared()
    .execute(conn)
    .await?;
    if timers + payments > 0 {
        tracing::warn!(timers, payments, "the sweeper found work that nobody was going to do");
    }
    Ok(())
}
