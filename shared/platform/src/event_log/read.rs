//! The event log's SQL. Nobody reads it by `seq` or time alone: what commits late would be lost.
//!
//! Raw: diesel has no types for `xid8` and `pg_snapshot`, no functions on them, and no LATERAL.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::TxSnapshot;
use crate::db::Prepare as _;
use crate::schema::events;
use crate::{Conn, Refusal};

/// One row of the log.
#[derive(Debug, Clone, QueryableByName)]
pub struct LoggedEvent {
    /// The order in which rows were written: inside what became visible together it keeps each aggregate's order.
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
    /// The transaction that wrote it.
    #[diesel(sql_type = BigInt)]
    pub(crate) tx: i64,
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub event_id: Uuid,
    /// `order.accepted.v1`.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// `order`.
    #[diesel(sql_type = Text)]
    pub aggregate: String,
    /// Which one.
    #[diesel(sql_type = SqlUuid)]
    pub aggregate_id: Uuid,
    /// Its version after the change.
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    /// By the database's clock.
    #[diesel(sql_type = Timestamptz)]
    pub occurred_at: DateTime<Utc>,
    /// The trace it belongs to.
    #[diesel(sql_type = Nullable<Text>)]
    pub traceparent: Option<String>,
    /// Who did it.
    #[diesel(sql_type = Text)]
    pub actor: String,
    /// Whose stream of many shows it.
    #[diesel(sql_type = Nullable<Text>)]
    pub audience: Option<String>,
    /// The full snapshot, JSON.
    #[diesel(sql_type = Text)]
    pub data: String,
}

impl LoggedEvent {
    /// The snapshot.
    ///
    /// # Errors
    /// When it is none of this type: our bug.
    pub fn snapshot<S: DeserializeOwned>(&self) -> Result<S, Refusal> {
        serde_json::from_str(&self.data).map_err(|e| Refusal::Bug(e.into()))
    }

    /// The state that its snapshot says, for timelines.
    #[must_use]
    pub fn state(&self) -> Option<serde_json::Value> {
        #[derive(serde::Deserialize)]
        struct Stated {
            state: Option<serde_json::Value>,
        }
        self.snapshot::<Stated>().ok().and_then(|stated| stated.state)
    }

    /// The transaction that wrote it.
    #[must_use]
    pub fn tx(&self) -> u64 {
        self.tx.cast_unsigned()
    }
}

macro_rules! columns {
    () => {
        "seq, tx::text::bigint AS tx, event_id, type AS kind, aggregate, aggregate_id, version, occurred_at, traceparent,
         actor, audience, data::text AS data"
    };
}

#[derive(QueryableByName)]
struct TailRow {
    #[diesel(sql_type = Text)]
    next: String,
    #[diesel(sql_type = Timestamptz)]
    time: DateTime<Utc>,
    #[diesel(sql_type = Nullable<BigInt>)]
    is_event: Option<i64>,
}

/// A tail row is the snapshot alone, or with an event.
struct Tail {
    next: String,
    /// By the database's clock.
    time: DateTime<Utc>,
    event: Option<LoggedEvent>,
}

impl diesel::deserialize::QueryableByName<diesel::pg::Pg> for Tail {
    fn build<'a>(row: &impl diesel::row::NamedRow<'a, diesel::pg::Pg>) -> diesel::deserialize::Result<Self> {
        let TailRow { next, time, is_event } = TailRow::build(row)?;
        Ok(Self { next, time, event: is_event.map(|_| LoggedEvent::build(row)).transpose()? })
    }
}

/// There is at least one row, and all of them say the same snapshot.
fn split(rows: Vec<Tail>) -> Result<(Vec<LoggedEvent>, TxSnapshot), Refusal> {
    let next = rows.as_slice().first().map_or("", |row| row.next.as_str()).parse();
    let next = next.map_err(|e: super::tx_snapshot::InvalidSnapshot| Refusal::Bug(e.into()))?;
    Ok((rows.into_iter().filter_map(|row| row.event).collect(), next))
}

/// What became visible since `seen`, in the order to show it in, what is visible now, and the database's time.
///
/// # Errors
/// What the database refuses.
pub(super) async fn since(
    conn: &mut Conn,
    seen: &TxSnapshot,
) -> Result<(Vec<LoggedEvent>, TxSnapshot, DateTime<Utc>), Refusal> {
    // Exactly what `seen` does not see: later transactions, and those that were in progress. One that stays open for
    // hours costs one look-up in an index. The upper bound keeps out rows that a restore brought from the future.
    let rows: Vec<Tail> = diesel::sql_query(concat!(
        "SELECT now.snapshot::text AS next, now.time, e.seq AS is_event, e.*
         FROM (SELECT pg_current_snapshot() AS snapshot, clock_timestamp() AS time) AS now LEFT JOIN LATERAL (
             SELECT ",
        columns!(),
        " FROM events WHERE events.tx >= $1::xid8 AND events.tx < pg_snapshot_xmax(now.snapshot)
             UNION ALL
             SELECT ",
        columns!(),
        " FROM events WHERE events.tx = ANY($2::xid8[])
         ) AS e ON true ORDER BY e.seq"
    ))
    .bind::<Text, _>(seen.xmax().to_string())
    .bind::<Array<Text>, _>(seen.in_progress())
    .prepared()
    .load(conn)
    .await?;
    let time = rows.as_slice().first().map_or(DateTime::UNIX_EPOCH, |row| row.time);
    let (events, next) = split(rows)?;
    Ok((events, next, time))
}

/// One audience's events since `seen`, at most `limit` of them, and what is visible now.
///
/// # Errors
/// What the database refuses.
pub(crate) async fn of_audience_since(
    conn: &mut Conn,
    audience: &str,
    seen: &TxSnapshot,
    limit: i64,
) -> Result<(Vec<LoggedEvent>, TxSnapshot), Refusal> {
    let rows: Vec<Tail> = diesel::sql_query(concat!(
        "SELECT now.snapshot::text AS next, now.time, e.seq AS is_event, e.*
         FROM (SELECT pg_current_snapshot() AS snapshot, clock_timestamp() AS time) AS now LEFT JOIN LATERAL (
             SELECT * FROM (
                 SELECT ",
        columns!(),
        " FROM events
                 WHERE events.audience = $1 AND events.tx >= $2::xid8 AND events.tx < pg_snapshot_xmax(now.snapshot)
                 UNION ALL
                 SELECT ",
        columns!(),
        " FROM events WHERE events.audience = $1 AND events.tx = ANY($3::xid8[])
             ) AS missed ORDER BY seq LIMIT $4
         ) AS e ON true ORDER BY e.seq"
    ))
    .bind::<Text, _>(audience)
    .bind::<Text, _>(seen.xmax().to_string())
    .bind::<Array<Text>, _>(seen.in_progress())
    .bind::<BigInt, _>(limit)
    .prepared()
    .load(conn)
    .await?;
    split(rows)
}

/// A page of what is visible in `upto` and not in `seen`, after `seq`: how an outage's backlog is read in windows.
///
/// # Errors
/// What the database refuses.
pub(crate) async fn page_between(
    conn: &mut Conn,
    seen: &TxSnapshot,
    upto: &TxSnapshot,
    seq: i64,
    limit: i64,
) -> Result<Vec<LoggedEvent>, Refusal> {
    Ok(diesel::sql_query(concat!(
        "SELECT ", columns!(), " FROM events
         WHERE seq > $3 AND pg_visible_in_snapshot(tx, $2::pg_snapshot) AND NOT pg_visible_in_snapshot(tx, $1::pg_snapshot)
         ORDER BY seq LIMIT $4"
    ))
    .bind::<Text, _>(seen.to_string())
    .bind::<Text, _>(upto.to_string())
    .bind::<BigInt, _>(seq)
    .bind::<BigInt, _>(limit)
    .prepared()
    .load(conn)
    .await?)
}

/// The lowest `seq` that `seen` may not see: where a window begins, found by index.
///
/// # Errors
/// What the database refuses.
pub(crate) async fn first_unseen(conn: &mut Conn, seen: &TxSnapshot) -> Result<i64, Refusal> {
    #[derive(QueryableByName)]
    struct First {
        #[diesel(sql_type = Nullable<BigInt>)]
        seq: Option<i64>,
    }
    let first: First = diesel::sql_query(
        "SELECT min(seq) AS seq FROM (
             SELECT seq FROM events WHERE tx >= $1::xid8 UNION ALL SELECT seq FROM events WHERE tx = ANY($2::xid8[])) AS unseen",
    )
    .bind::<Text, _>(seen.xmax().to_string())
    .bind::<Array<Text>, _>(seen.in_progress())
    .prepared()
    .get_result(conn)
    .await?;
    Ok(first.seq.unwrap_or(i64::MAX))
}

/// What is visible now, and the cluster whose transaction ids these are.
///
/// # Errors
/// What the database refuses.
pub(crate) async fn now(conn: &mut Conn) -> Result<(TxSnapshot, String), Refusal> {
    #[derive(QueryableByName)]
    struct Now {
        #[diesel(sql_type = Text)]
        snapshot: String,
        #[diesel(sql_type = Text)]
        epoch: String,
    }
    let now: Now = diesel::sql_query(
        "SELECT pg_current_snapshot()::text AS snapshot, (SELECT system_identifier FROM pg_control_system())::text || '-'
                    || (SELECT timeline_id FROM pg_control_checkpoint())::text AS epoch",
    )
    .prepared()
    .get_result(conn)
    .await?;
    Ok((now.snapshot.parse().map_err(|e| Refusal::Bug(anyhow::Error::new(e)))?, now.epoch))
}

/// These events, in their order.
///
/// # Errors
/// What the database refuses.
pub(crate) async fn these(conn: &mut Conn, seqs: &[i64]) -> Result<Vec<LoggedEvent>, Refusal> {
    Ok(diesel::sql_query(concat!("SELECT ", columns!(), " FROM events WHERE seq = ANY($1) ORDER BY seq"))
        .bind::<Array<BigInt>, _>(seqs)
        .prepared()
        .load(conn)
        .await?)
}

/// Every event of one aggregate, oldest first: its timeline.
///
/// # Errors
/// What the database refuses.
pub async fn timeline(conn: &mut Conn, aggregate: &str, aggregate_id: Uuid) -> QueryResult<Vec<LoggedEvent>> {
    diesel::sql_query(concat!(
        "SELECT ",
        columns!(),
        " FROM events WHERE aggregate = $1 AND aggregate_id = $2 ORDER BY version"
    ))
    .bind::<Text, _>(aggregate)
    .bind::<SqlUuid, _>(aggregate_id)
    .prepared()
    .load(conn)
    .await
}

/// The trace of the newest event of an aggregate: what happens because of it belongs to the same trace.
///
/// # Errors
/// What the database refuses.
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

/// Whether every event that `seen` does not see is still there: retention has deleted none of them.
///
/// # Errors
/// What the database refuses.
pub(crate) async fn has_all_since(conn: &mut Conn, seen: &TxSnapshot) -> Result<bool, Refusal> {
    #[derive(QueryableByName)]
    struct Has {
        #[diesel(sql_type = Bool)]
        has_all: bool,
    }
    let has: Has = diesel::sql_query("SELECT tx < pg_snapshot_xmin($1::pg_snapshot) AS has_all FROM forgotten_events")
        .bind::<Text, _>(seen.to_string())
        .prepared()
        .get_result(conn)
        .await?;
    Ok(has.has_all)
}
