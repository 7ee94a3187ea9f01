//! Commit → applied: the time from an event's commit in one service to the row that it causes in another service.
//!
//! Both ends are rows in `events` with times of the same database cluster's clock, so no instrumentation of the services is
//! needed. Three hops of every order are measured: paid → ticket opened, accepted → delivery opened, picked up → order
//! delivering.

use std::time::SystemTime;

use anyhow::{Context as _, Result};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Double, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use serde::Serialize;
use uuid::Uuid;

use super::stats::Percentiles;

/// Latencies of commit → applied.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Applied {
    /// All hops together.
    pub all: Percentiles,
    /// `order.paid` → `ticket.opened`.
    pub paid_to_ticket: Percentiles,
    /// `order.accepted` → `delivery.opened`.
    pub accepted_to_delivery: Percentiles,
    /// `delivery.picked_up` → `order.delivering`.
    pub picked_up_to_delivering: Percentiles,
    /// Events of the window without an effect so far.
    pub missing: usize,
}

#[derive(QueryableByName)]
struct Hop {
    #[diesel(sql_type = Text)]
    hop: String,
    #[diesel(sql_type = Nullable<Double>)]
    ms: Option<f64>,
}

/// Event ids are UUIDs of version 7, so a time window is a range of ids and needs no index on the time.
/// The effect's snapshot names its order; the id in the snapshot is `ord_` and the hex digits of the aggregate's.
const HOPS: &str = "
    WITH cause AS (
        SELECT 'paid' AS hop, aggregate_id AS order_id, occurred_at FROM orders.events
        WHERE event_id >= $1 AND event_id < $2 AND type = 'order.paid.v1'
        UNION ALL
        SELECT 'accepted', aggregate_id, occurred_at FROM orders.events
        WHERE event_id >= $1 AND event_id < $2 AND type = 'order.accepted.v1'
        UNION ALL
        SELECT 'picked_up', replace(data->>'order_id', 'ord_', '')::uuid, occurred_at FROM dispatch.events
        WHERE event_id >= $1 AND event_id < $2 AND type = 'delivery.picked_up.v1'
    ), effect AS (
        SELECT 'paid' AS hop, replace(data->>'order_id', 'ord_', '')::uuid AS order_id, occurred_at FROM merchant.events
        WHERE event_id >= $1 AND type = 'ticket.opened.v1'
        UNION ALL
        SELECT 'accepted', replace(data->>'order_id', 'ord_', '')::uuid, occurred_at FROM dispatch.events
        WHERE event_id >= $1 AND type = 'delivery.opened.v1'
        UNION ALL
        SELECT 'picked_up', aggregate_id, occurred_at FROM orders.events
        WHERE event_id >= $1 AND type = 'order.delivering.v1'
    )
    SELECT cause.hop, (extract(epoch FROM effect.occurred_at - cause.occurred_at) * 1000)::double precision AS ms
    FROM cause LEFT JOIN effect USING (hop, order_id)";

/// Measures the events that were committed between two times.
///
/// # Errors
/// The database is unavailable, or its schema differs.
pub async fn between(database: &mut AsyncPgConnection, from: SystemTime, to: SystemTime) -> Result<Applied> {
    let hops: Vec<Hop> = diesel::sql_query(HOPS)
        .bind::<SqlUuid, _>(first_id_at(from))
        .bind::<SqlUuid, _>(first_id_at(to))
        .load(database)
        .await
        .context("commit → applied cannot be read from the events tables")?;
    let of = |hop: Option<&str>| {
        Percentiles::of(hops.iter().filter(|h| hop.is_none_or(|name| h.hop == name)).filter_map(|h| h.ms).collect())
    };
    Ok(Applied {
        all: of(None),
        paid_to_ticket: of(Some("paid")),
        accepted_to_delivery: of(Some("accepted")),
        picked_up_to_delivering: of(Some("picked_up")),
        missing: hops.iter().filter(|h| h.ms.is_none()).count(),
    })
}

/// The smallest UUID of version 7 with this time.
fn first_id_at(time: SystemTime) -> Uuid {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(since.as_millis() as u64, &[0; 10]).into_uuid()
}

/// The number of orders that are not in a final state.
///
/// # Errors
/// The database is unavailable.
pub async fn open_orders(database: &mut AsyncPgConnection) -> Result<i64> {
    let sql = "SELECT count(*) AS count FROM orders.orders
               WHERE state IN ('pending_payment', 'paid', 'accepted', 'ready', 'delivering')";
    Ok(diesel::sql_query(sql).get_result::<Count>(database).await?.count)
}

/// The number of events that the services have written since the database was created. Up to a second late, and cheap.
///
/// # Errors
/// The database is unavailable.
pub async fn events_written(database: &mut AsyncPgConnection) -> Result<i64> {
    // Includes the partitions of each table.
    let sql = "SELECT coalesce(sum(n_tup_ins), 0)::bigint AS count FROM pg_stat_user_tables
               WHERE schemaname IN ('orders', 'merchant', 'dispatch') AND relname LIKE 'events%'";
    Ok(diesel::sql_query(sql).get_result::<Count>(database).await?.count)
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ids_of_a_window_lie_between_its_ends() {
        let now = SystemTime::now();
        let id = Uuid::now_v7();
        assert!(first_id_at(now - Duration::from_millis(5)) < id && id < first_id_at(now + Duration::from_secs(1)));
    }
}
