//! The event log as readers see it: rows get their position after commit, then everybody who listens hears of them.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

use crate::schema::events;
use crate::{Conn, Db, Refusal, Stop};

/// One row of the log.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = events)]
pub struct LoggedEvent {
    /// Its id.
    pub event_id: Uuid,
    /// `order.accepted.v1`.
    pub kind: String,
    /// `order`.
    pub aggregate: String,
    /// Which one.
    pub aggregate_id: Uuid,
    /// Its version after the change.
    pub version: i64,
    /// When, by the database's clock.
    pub occurred_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
    /// Who did it.
    pub actor: String,
    /// Whose stream of many shows it.
    pub audience: Option<String>,
    /// The full snapshot.
    pub data: serde_json::Value,
    /// Where in the log; `None` until the sequencer has seen it.
    pub position: Option<i64>,
}

/// Gives positions and tells listeners. One per process; several processes on one database are fine,
/// the counter row lets them take turns.
#[derive(Debug, Clone)]
pub struct EventLog {
    db: Db,
    /// Bounded: a listener that lags behind by this many loses its place and starts from a fresh snapshot.
    news: broadcast::Sender<Arc<LoggedEvent>>,
    last: watch::Sender<i64>,
}

/// Fallback when a wake-up was missed, or another process wrote.
const POLL: Duration = Duration::from_millis(200);
const BATCH: i64 = 500;

impl EventLog {
    /// A log over `db`; [`Self::run`] makes it live.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db, news: broadcast::channel(4096).0, last: watch::channel(0).0 }
    }

    /// Events from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Arc<LoggedEvent>> {
        self.news.subscribe()
    }

    /// The newest position that this process knows of; changes wake the relay.
    #[must_use]
    pub fn positions(&self) -> watch::Receiver<i64> {
        self.last.subscribe()
    }

    /// Gives positions and tells listeners until `stop`.
    pub async fn run(self, stop: Stop) {
        let committed = self.db.committed();
        let mut seen = None;
        loop {
            let woken = committed.notified();
            match self.turn(&mut seen).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(refusal) => tracing::warn!(error = ?refusal, "the event log cannot be read; trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = woken => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// One pass; true when there may be more.
    async fn turn(&self, seen: &mut Option<i64>) -> Result<bool, Refusal> {
        let given = self.give_positions().await?;
        let from = match *seen {
            Some(from) => from,
            // Listeners hear what happens from now on; what was before, they read.
            None => *seen.insert(self.db.read(|conn| async move { Ok(last_position(conn).await?) }.boxed()).await?),
        };
        let rows = self.db.read(move |conn| async move { Ok(after(conn, from, BATCH).await?) }.boxed()).await?;
        let full = rows.len() as i64 == BATCH;
        for row in rows {
            *seen = row.position;
            // No listener is fine.
            let _ = self.news.send(Arc::new(row));
        }
        if let Some(last) = *seen {
            self.last.send_if_modified(|l| std::mem::replace(l, last) != last);
        }
        Ok(full || given == BATCH as usize)
    }

    /// Positions for everything committed, under the one counter row: so positions commit in their order,
    /// and whoever reads by position never passes a row that is not there yet.
    async fn give_positions(&self) -> Result<usize, Refusal> {
        if !self.db.read(|conn| async move { Ok(unpositioned(conn).await?) }.boxed()).await? {
            return Ok(0);
        }
        self.db
            .transaction(|conn| {
                async move {
                    // Two statements: the second must see what was committed while the first waited for the row.
                    diesel::sql_query("SELECT last_position FROM event_counter FOR UPDATE").execute(conn).await?;
                    let given = diesel::sql_query(
                        "WITH picked AS (
                             SELECT event_id, row_number() OVER (ORDER BY occurred_at, version) AS n
                             FROM (SELECT event_id, occurred_at, version FROM events WHERE position IS NULL
                                   ORDER BY occurred_at, version LIMIT $1) AS oldest)
                         UPDATE events e SET position = c.last_position + p.n
                         FROM picked p, event_counter c WHERE e.event_id = p.event_id",
                    )
                    .bind::<BigInt, _>(BATCH)
                    .execute(conn)
                    .await?;
                    diesel::sql_query("UPDATE event_counter SET last_position = last_position + $1")
                        .bind::<BigInt, _>(given as i64)
                        .execute(conn)
                        .await?;
                    Ok(given)
                }
                .boxed()
            })
            .await
    }
}

async fn unpositioned(conn: &mut Conn) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(events::table.filter(events::position.is_null()))).get_result(conn).await
}

/// The newest position given so far.
///
/// # Errors
/// What the database says.
pub async fn last_position(conn: &mut Conn) -> QueryResult<i64> {
    Ok(events::table.select(diesel::dsl::max(events::position)).get_result::<Option<i64>>(conn).await?.unwrap_or(0))
}

/// Rows after a position, oldest first.
///
/// # Errors
/// What the database says.
pub async fn after(conn: &mut Conn, position: i64, limit: i64) -> QueryResult<Vec<LoggedEvent>> {
    events::table
        .filter(events::position.gt(position))
        .order(events::position)
        .limit(limit)
        .select(LoggedEvent::as_select())
        .load(conn)
        .await
}

/// One audience's rows after a position, oldest first.
///
/// # Errors
/// What the database says.
pub async fn after_for(conn: &mut Conn, audience: &str, position: i64, limit: i64) -> QueryResult<Vec<LoggedEvent>> {
    events::table
        .filter(events::audience.eq(audience))
        .filter(events::position.gt(position))
        .order(events::position)
        .limit(limit)
        .select(LoggedEvent::as_select())
        .load(conn)
        .await
}

/// Every event of one aggregate, oldest first: its timeline.
///
/// # Errors
/// What the database says.
pub async fn timeline(conn: &mut Conn, aggregate: &str, aggregate_id: Uuid) -> QueryResult<Vec<LoggedEvent>> {
    events::table
        .filter(events::aggregate.eq(aggregate))
        .filter(events::aggregate_id.eq(aggregate_id))
        .order(events::version)
        .select(LoggedEvent::as_select())
        .load(conn)
        .await
}

/// The trace of the newest event of an aggregate: what happens because of it belongs to the same trace.
///
/// # Errors
/// What the database says.
pub async fn newest_trace(conn: &mut Conn, aggregate: &str, aggregate_id: Uuid) -> QueryResult<Option<String>> {
    let newest: Option<Option<String>> = events::table
        .filter(events::aggregate.eq(aggregate))
        .filter(events::aggregate_id.eq(aggregate_id))
        .order(events::version.desc())
        .select(events::traceparent)
        .first(conn)
        .await
        .optional()?;
    Ok(newest.flatten())
}
