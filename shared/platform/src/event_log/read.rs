//! The event log's SQL. Nothing pages through it by `seq` or time alone: events that commit late would be lost.
//!
//! Raw: diesel has no types for `xid8` and `pg_snapshot`, no functions on them, and no LATERAL.

use std::sync::Arc;

use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::event::{LoggedEvent, Visible, VisibleRow, columns};
use super::position::Position;
use super::tx_snapshot::TxSnapshot;
use crate::db::Prepare as _;
use crate::{Conn, Refusal};

/// The events that became visible since `seen`.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub(super) async fn visible_since(conn: &mut Conn, seen: &TxSnapshot) -> Result<Visible, Refusal> {
    // Exactly what `seen` does not see: later transactions, and those that were in progress. A transaction that stays open
    // for hours costs one index look-up. The upper bound excludes rows with transaction ids of another cluster, after a
    // restore.
    let rows: Vec<VisibleRow> = diesel::sql_query(concat!(
        "SELECT now.snapshot::text AS snapshot, now.time, e.seq AS event_seq, e.*
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
    rows.try_into()
}

/// The events of one audience that became visible since `seen`, at most `limit`, the oldest first.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub(crate) async fn of_audience_since(
    conn: &mut Conn,
    audience: &str,
    seen: &TxSnapshot,
    limit: i64,
) -> Result<Visible, Refusal> {
    let rows: Vec<VisibleRow> = diesel::sql_query(concat!(
        "SELECT now.snapshot::text AS snapshot, now.time, e.seq AS event_seq, e.*
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
    rows.try_into()
}

/// At most `limit` events after `seq` that `upto` sees and `seen` does not. Pages through a fixed set of events, whatever
/// commits meanwhile.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
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

/// The lowest `seq` that `seen` does not see; `None` when it sees every event.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub(crate) async fn first_unseen(conn: &mut Conn, seen: &TxSnapshot) -> Result<Option<i64>, Refusal> {
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
    Ok(first.seq)
}

/// The end of the log: what is visible now.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub(crate) async fn current_position(conn: &mut Conn) -> Result<Position, Refusal> {
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
    let seen: TxSnapshot = now.snapshot.parse().map_err(|e| Refusal::Bug(anyhow::Error::new(e)))?;
    Ok(Position { seen: Arc::new(seen), epoch: now.epoch.into() })
}

/// The events with these `seq`, by `seq`. Those that were deleted are left out.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub(crate) async fn by_seq(conn: &mut Conn, seqs: &[i64]) -> Result<Vec<LoggedEvent>, Refusal> {
    Ok(diesel::sql_query(concat!("SELECT ", columns!(), " FROM events WHERE seq = ANY($1) ORDER BY seq"))
        .bind::<Array<BigInt>, _>(seqs)
        .prepared()
        .load(conn)
        .await?)
}

/// Every event of one aggregate, by version.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn timeline(conn: &mut Conn, aggregate: &str, aggregate_id: Uuid) -> Result<Vec<LoggedEvent>, Refusal> {
    Ok(diesel::sql_query(concat!(
        "SELECT ",
        columns!(),
        " FROM events WHERE aggregate = $1 AND aggregate_id = $2 ORDER BY version"
    ))
    .bind::<Text, _>(aggregate)
    .bind::<SqlUuid, _>(aggregate_id)
    .prepared()
    .load(conn)
    .await?)
}

/// Every event of these aggregates, oldest first.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn of_aggregates(conn: &mut Conn, which: &[(&str, Uuid)]) -> Result<Vec<LoggedEvent>, Refusal> {
    Ok(diesel::sql_query(concat!(
        "SELECT ",
        columns!(),
        " FROM events JOIN unnest($1, $2) AS wanted (a, id) ON aggregate = wanted.a AND aggregate_id = wanted.id
          ORDER BY occurred_at, seq"
    ))
    .bind::<Array<Text>, _>(which.iter().map(|(aggregate, _)| *aggregate).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(which.iter().map(|(_, id)| *id).collect::<Vec<_>>())
    .prepared()
    .load(conn)
    .await?)
}

/// Whether every event that `seen` does not see is still there: retention has deleted none of them.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
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
