//! A database of an earlier version, with orders in it, is migrated without losing anything.

use diesel_async::SimpleAsyncConnection as _;
use pannier_migrations::{migrate_all, migrate_until};
use pannier_platform::Tls;
use pannier_replay::checks::{CHECKS, check, load};
use pannier_replay::evidence::Evidence;
use pannier_testkit::{Servers, TestDb};

use crate::checks::with_ids;

/// Migrations up to this version come before the one that introduced the event log.
const BEFORE: &str = "20261120999999";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_orders_in_it_is_migrated() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    db.execute("DROP SCHEMA orders CASCADE; DROP SCHEMA merchant CASCADE; DROP SCHEMA dispatch CASCADE").await;
    migrate_until(&db.admin_url, &Tls::default(), Some(BEFORE)).await.unwrap();
    let mut conn = db.connect().await;
    conn.batch_execute(&with_ids(include_str!("upgrade/before.sql"))).await.unwrap();

    migrate_all(&db.admin_url, &Tls::default()).await.unwrap();
    for (what, expected, sql) in [
        (
            "every event has a sequence number of its own",
            8,
            "SELECT count(DISTINCT seq) AS n FROM orders.events WHERE aggregate = 'order'",
        ),
        (
            "sequence numbers grow with the versions",
            0,
            "SELECT count(*) AS n FROM orders.events a JOIN orders.events b USING (aggregate, aggregate_id) WHERE a.version < b.version AND a.seq > b.seq",
        ),
        (
            "an event that the broker had refused is set aside",
            1,
            "SELECT count(*) AS n FROM orders.set_aside WHERE attempts = 3 AND last_error = 'returned'",
        ),
        (
            "all other events count as published",
            0,
            "SELECT count(*) AS n FROM merchant.events, merchant.relay_cursor WHERE NOT pg_visible_in_snapshot(tx, done)",
        ),
        (
            "the copies of ticket and delivery are the progress of the order",
            1,
            "SELECT count(*) AS n FROM orders.progress WHERE ticket ->> 'version' = '4' AND delivery ->> 'version' = '8'",
        ),
        ("open offers of a rider are counted", 1, "SELECT open_offers::bigint AS n FROM dispatch.riders"),
        ("open deliveries are marked as open", 1, "SELECT count(*) AS n FROM dispatch.deliveries WHERE is_open"),
        ("ended orders are not marked as open", 0, "SELECT count(*) AS n FROM orders.orders WHERE is_open"),
        (
            "idempotency keys with an answer stay, those without are deleted",
            1,
            "SELECT count(*) AS n FROM orders.idempotency",
        ),
    ] {
        assert_eq!(db.count(sql).await, expected, "{what}");
    }
    // The checks find nothing. The fixture has only parts of the second delivery, which are deleted first. The relay
    // cursor moves past the events that the migration wrote.
    db.execute(
        "UPDATE orders.relay_cursor SET done = pg_current_snapshot(); DELETE FROM orders.set_aside; UPDATE dispatch.riders SET open_offers = 0;
         DELETE FROM dispatch.offers WHERE state = 'sent'; DELETE FROM dispatch.deliveries WHERE state = 'offered'",
    )
    .await;
    let ledger = serde_json::from_value(serde_json::json!([
        {"reference": "pay_1", "kind": "authorise", "amount": 1500, "currency": "EUR", "operation_key": "authorise-1"},
        {"reference": "pay_1", "kind": "capture", "amount": 1500, "currency": "EUR", "operation_key": "capture-1"},
    ]));
    load(&mut conn, &Evidence { ledger: ledger.unwrap(), ..Evidence::default() }).await.unwrap();
    for (name, sql) in CHECKS {
        let found = check(&mut conn, name, sql).await.unwrap();
        assert_eq!(found.count, 0, "{found:#?}");
    }
    db.remove(&servers).await;
}
