//! Deletes events that are old, published, and belong to nothing that is open.
//!
//! Raw: diesel has no `WITH`, no types for `xid8` and `pg_snapshot`, and `is_open` is a condition of the service.

use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Double, Nullable, Text};
use diesel_async::RunQueryDsl as _;
use futures::FutureExt as _;
use pannier_contracts::topology::STANDING;

use super::rules::{PAUSE, STEP};
use crate::{Conn, Db, Refusal, Stop};

#[derive(Debug, QueryableByName)]
struct Page {
    /// The last `seq` of the page; the next one begins after it.
    #[diesel(sql_type = Nullable<BigInt>)]
    last: Option<i64>,
    #[diesel(sql_type = BigInt)]
    deleted: i64,
    /// Some of the page are younger than the age, so all that follow are.
    #[diesel(sql_type = Bool)]
    is_young: bool,
}

/// Deletes events page by page, oldest first, up to the first one that is younger than `age`. Returns their number.
///
/// All events of an aggregate that ends are deleted together, once its newest event is old and `is_open` is false. Of a
/// standing aggregate the newest event stays.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database; the pages before are committed.
pub(super) async fn delete(db: &Db, age: Duration, is_open: Option<&'static str>, stop: &Stop) -> Result<i64, Refusal> {
    let (mut after, mut deleted) = (0, 0);
    while !stop.is_cancelled() {
        let page = db.read(move |conn| async move { delete_page(conn, age, is_open, after).await }.boxed()).await?;
        deleted += page.deleted;
        match page.last {
            Some(last) if !page.is_young => after = last,
            _ => break,
        }
        tokio::time::sleep(PAUSE).await;
    }
    if deleted > 0 {
        tracing::info!(deleted, "deleted {deleted} events");
    }
    Ok(deleted)
}

async fn delete_page(conn: &mut Conn, age: Duration, is_open: Option<&str>, after: i64) -> Result<Page, Refusal> {
    let is_open = is_open.unwrap_or("false");
    Ok(diesel::sql_query(format!(
        "WITH page AS MATERIALIZED (
             SELECT seq, tx, aggregate, aggregate_id, version, occurred_at < clock_timestamp() - $1 * interval '1 s' AS is_old
             FROM events WHERE seq > $2 ORDER BY seq LIMIT $3
         ), deleted AS (
             DELETE FROM events e USING page p
             WHERE e.seq = p.seq AND p.is_old
                 AND pg_visible_in_snapshot(p.tx, (SELECT done FROM relay_cursor))
                 AND NOT EXISTS (SELECT 1 FROM set_aside s WHERE s.seq = p.seq)
                 AND CASE WHEN p.aggregate = ANY ($4)
                     THEN EXISTS (SELECT 1 FROM events n WHERE n.aggregate = p.aggregate
                                      AND n.aggregate_id = p.aggregate_id AND n.version > p.version)
                     ELSE NOT EXISTS (SELECT 1 FROM events n WHERE n.aggregate = p.aggregate
                                          AND n.aggregate_id = p.aggregate_id
                                          AND n.occurred_at >= clock_timestamp() - $1 * interval '1 s')
                         AND NOT ({is_open}) END
             RETURNING p.tx
         ), noted AS (
             UPDATE forgotten_events f SET tx = newest.tx
             FROM (SELECT tx FROM deleted ORDER BY tx DESC LIMIT 1) AS newest WHERE newest.tx > f.tx
         )
         SELECT (SELECT max(seq) FROM page) AS last, (SELECT count(*) FROM deleted) AS deleted,
                (SELECT coalesce(bool_or(NOT is_old), true) FROM page) AS is_young"
    ))
    .bind::<Double, _>(age.as_secs_f64())
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(STEP)
    .bind::<Array<Text>, _>(STANDING.to_vec())
    .get_result(conn)
    .await?)
}
