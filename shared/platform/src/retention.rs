//! Forgetting: what nobody can ask for any more is removed, in steps small enough to hold nobody up.

use std::time::Duration;

use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;

use crate::db::Prepare as _;
use crate::{Db, Refusal, Stop};

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(60);
/// Rows removed in one statement, which commits by itself.
const STEP: i64 = 1_000;
/// Between two steps.
const BREATH: Duration = Duration::from_millis(50);

/// Rows of one table that can go.
#[derive(Debug, Clone, Copy)]
pub struct Forgotten {
    /// What they are, for the log.
    pub what: &'static str,
    /// `DELETE … WHERE ctid = ANY(ARRAY(SELECT ctid … LIMIT $1))`: the oldest by an index.
    pub sql: &'static str,
}

/// What every service forgets. Stored answers: 48 h. Late events and settled dead letters: 30 days.
const EVERYWHERE: [Forgotten; 3] = [
    Forgotten {
        what: "stored answers",
        sql: "DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
                  SELECT ctid FROM idempotency WHERE created_at < clock_timestamp() - interval '48 h'
                  ORDER BY created_at LIMIT $1))",
    },
    Forgotten {
        what: "late events",
        sql: "DELETE FROM late_events WHERE id = ANY(ARRAY(
                  SELECT id FROM (SELECT id, at FROM late_events ORDER BY id LIMIT $1) AS oldest
                  WHERE at < clock_timestamp() - interval '30 days'))",
    },
    Forgotten {
        what: "settled dead letters",
        sql: "DELETE FROM dead_letters WHERE ctid = ANY(ARRAY(
                  SELECT ctid FROM dead_letters WHERE settled_at < clock_timestamp() - interval '30 days' LIMIT $1))",
    },
];

/// Forgets until `stop`, what every service has and what this one adds. Two processes doing so at once are harmless.
pub async fn run(db: Db, own: &'static [Forgotten], stop: Stop) {
    loop {
        for forgotten in EVERYWHERE.iter().chain(own) {
            if let Err(refusal) = forget(&db, *forgotten, &stop).await {
                tracing::warn!(what = forgotten.what, error = ?refusal, "{} could not be forgotten", forgotten.what);
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Removes rows step by step until none is left that can go. Returns how many went.
///
/// # Errors
/// What the database refuses: the rest goes next time.
pub async fn forget(db: &Db, forgotten: Forgotten, stop: &Stop) -> Result<usize, Refusal> {
    let mut gone = 0;
    while !stop.is_cancelled() {
        let step = db
            .read(move |conn| {
                async move {
                    Ok(diesel::sql_query(forgotten.sql).bind::<BigInt, _>(STEP).prepared().execute(conn).await?)
                }
                .boxed()
            })
            .await?;
        gone += step;
        if (step as i64) < STEP {
            break;
        }
        tokio::time::sleep(BREATH).await;
    }
    if gone > 0 {
        tracing::info!(what = forgotten.what, gone, "forgot {gone} {}", forgotten.what);
    }
    Ok(gone)
}
