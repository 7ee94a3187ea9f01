//! The cursor of the relay: how far it has published, in one row. The SQL is raw, because diesel has no types for
//! `xid8` and `pg_snapshot`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;

use crate::db::Prepare as _;
use crate::event_log::{self, TxSnapshot};
use crate::{Conn, Db, Refusal};

/// Every event that is visible in `done` has been published. Of the events in `window`, those up to its `seq` have been
/// published, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) epoch: String,
    pub(super) done: TxSnapshot,
    pub(super) window: Option<Window>,
}

/// The backlog that is being published: events that are visible in `end` and not in the cursor's `done`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) end: TxSnapshot,
    pub(super) seq: i64,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    epoch: String,
    #[diesel(sql_type = Text)]
    done: String,
    #[diesel(sql_type = Nullable<Text>)]
    window_end: Option<String>,
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

fn parse(text: &str) -> Result<TxSnapshot, Refusal> {
    text.parse().map_err(|e| Refusal::Bug(anyhow::Error::new(e)))
}

/// Loads the cursor. If the database was restored into another cluster, the transaction ids in the cursor cannot be
/// compared with new ones. Then every event that was not visible to the cursor is set aside, to be published again, and
/// the cursor starts at the present end of the log.
pub(super) async fn load(db: &Db) -> Result<Cursor, Refusal> {
    db.transaction(|conn| {
        async move {
            let now = event_log::current_position(conn).await?;
            let epoch = now.epoch.to_string();
            let row: Option<Row> = diesel::sql_query(
                "SELECT epoch, done::text AS done, window_end::text AS window_end, seq FROM relay_cursor",
            )
            .prepared()
            .get_result(conn)
            .await
            .optional()?;
            let cursor = match row {
                Some(row) if row.epoch == epoch => {
                    let end = row.window_end.as_deref().map(parse).transpose()?;
                    let window = end.map(|end| Window { end, seq: row.seq });
                    return Ok(Cursor { epoch, done: parse(&row.done)?, window });
                }
                Some(row) => {
                    set_aside_unseen(conn, &row.done).await?;
                    Cursor { epoch, done: (*now.seen).clone(), window: None }
                }
                // The migration inserts the row; without it no event is known to be published.
                None => Cursor { epoch, done: parse("3:3:")?, window: None },
            };
            write(conn, &cursor).await?;
            Ok(cursor)
        }
        .boxed()
    })
    .await
}

/// After a restore into another cluster: sets the events aside that were not visible to the old cursor. Then gives all
/// events the transaction id 0, which is visible in every snapshot.
async fn set_aside_unseen(conn: &mut Conn, done: &str) -> Result<(), Refusal> {
    let unseen = diesel::sql_query(
        "INSERT INTO set_aside (seq, last_error)
         SELECT seq, 'not known to be published: the database was restored' FROM events
         WHERE NOT pg_visible_in_snapshot(tx, $1::pg_snapshot) ON CONFLICT DO NOTHING",
    )
    .bind::<Text, _>(done)
    .execute(conn)
    .await?;
    let all = diesel::sql_query("UPDATE events SET tx = '0' WHERE tx <> '0'").execute(conn).await?;
    tracing::warn!(unseen, all, "the database is another cluster than before: {unseen} events are published again");
    Ok(())
}

pub(super) async fn save(db: &Db, cursor: Cursor) -> Result<(), Refusal> {
    db.read(move |conn| async move { write(conn, &cursor).await }.boxed()).await
}

/// Has no condition on the old value. If two relays run at once, one may move the cursor back, which only causes
/// duplicates.
async fn write(conn: &mut Conn, cursor: &Cursor) -> Result<(), Refusal> {
    diesel::sql_query(
        "INSERT INTO relay_cursor (epoch, done, window_end, seq) VALUES ($1, $2::pg_snapshot, $3::pg_snapshot, $4)
         ON CONFLICT (one) DO UPDATE SET epoch = excluded.epoch, done = excluded.done, window_end = excluded.window_end,
             seq = excluded.seq, at = clock_timestamp()",
    )
    .bind::<Text, _>(&cursor.epoch)
    .bind::<Text, _>(cursor.done.to_string())
    .bind::<Nullable<Text>, _>(cursor.window.as_ref().map(|window| window.end.to_string()))
    .bind::<BigInt, _>(cursor.window.as_ref().map_or(0, |window| window.seq))
    .prepared()
    .execute(conn)
    .await?;
    Ok(())
}

/// Events that are committed and not known to be published.
#[derive(Debug, QueryableByName)]
pub(crate) struct Backlog {
    /// How many, at most 10,000.
    #[diesel(sql_type = BigInt)]
    pub(crate) events: i64,
    /// When the oldest of them occurred.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) since: Option<DateTime<Utc>>,
}

/// Counts the events behind the cursor whose type matches one of `patterns` (LIKE). The limit keeps this cheap.
pub(crate) async fn backlog(conn: &mut Conn, patterns: Vec<String>) -> Result<Backlog, Refusal> {
    Ok(diesel::sql_query(
        "SELECT count(*) AS events, min(occurred_at) AS since FROM (
             SELECT occurred_at FROM relay_cursor AS c JOIN events AS e
                 ON e.tx >= (SELECT least(pg_snapshot_xmin(coalesce(window_end, done)), pg_snapshot_xmin(done)) FROM relay_cursor)
             WHERE NOT pg_visible_in_snapshot(e.tx, c.done) AND e.type LIKE ANY ($1)
                 AND NOT coalesce(pg_visible_in_snapshot(e.tx, c.window_end) AND e.seq <= c.seq, false)
             LIMIT 10000) AS waiting",
    )
    .bind::<diesel::sql_types::Array<Text>, _>(patterns)
    .prepared()
    .get_result(conn)
    .await?)
}
