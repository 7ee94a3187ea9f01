//! Events that nobody can ask for any more: old, published, and of nothing that is open.
//!
//! Raw: diesel has no `WITH`, no types for `xid8` and `pg_snapshot`, and `is_open` is SQL of the service.

use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Double, Nullable, Text};
use diesel_async::RunQueryDsl as _;
use futures::FutureExt as _;
use pannier_contracts::topology::STANDING;

use super::TxSnapshot;
use crate::retention::{BREATH, STEP};
use crate::{Conn, Db, Refusal, Stop};

#[derive(Debug, QueryableByName)]
struct Page {
    /// Where the next page begins.
    #[diesel(sql_type = Nullable<BigInt>)]
    last: Option<i64>,
    #[diesel(sql_type = BigInt)]
    gone: i64,
    #[diesel(sql_type = Bool)]
    is_young: bool,
}

/// Removes events page by page, oldest first, up to the first young ones. An aggregate that ends goes as a whole, when its
/// newest event is old and `is_open` says no; of one that never ends the newest event stays. Returns how many went.
///
/// # Errors
/// What the database refuses: the rest goes next time.
pub(crate) async fn forget(db: &Db, age: Duration, is_open: Option<&'static str>, stop: &Stop) -> Result<i64, Refusal> {
    let (mut after, mut gone) = (0, 0);
    while !stop.is_cancelled() {
        let page = db.read(move |conn| async move { one_page(conn, age, is_open, after).await }.boxed()).await?;
        gone += page.gone;
        match page.last {
            Some(last) if !page.is_young => after = last,
            _ => break,
        }
        tokio::time::sleep(BREATH).await;
    }
    if gone > 0 {
        tracing::info!(gone, "forgot {gone} events");
    }
    Ok(gone)
}

async fn one_page(conn: &mut Conn, age: Duration, is_open: Option<&str>, after: i64) -> Result<Page, Refusal> {
    let is_open = is_open.unwrap_or("false");
    Ok(diesel::sql_query(format!(
        "WITH page AS MATERIALIZED (
             SELECT seq, tx, aggregate, aggregate_id, version, occurred_at < clock_timestamp() - $1 * interval '1 s' AS is_old
             FROM events WHERE seq > $2 ORDER BY seq LIMIT $3
         ), gone AS (
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
             FROM (SELECT tx FROM gone ORDER BY tx DESC LIMIT 1) AS newest WHERE newest.tx > f.tx
         )
         SELECT (SELECT max(seq) FROM page) AS last, (SELECT count(*) FROM gone) AS gone,
                (SELECT coalesce(bool_or(NOT is_old), true) FROM page) AS is_young"
    ))
    .bind::<Double, _>(age.as_secs_f64())
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(STEP)
    .bind::<Array<Text>, _>(STANDING.to_vec())
    .get_result(conn)
    .await?)
}

/// Is everything there that `seen` does not see?
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
        .get_result(conn)
        .await?;
    Ok(has.has_all)
}
