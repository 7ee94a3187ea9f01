//! A database of an earlier version, with orders in it, is brought up to date without losing anything.

use diesel_async::SimpleAsyncConnection as _;
use pannier_migrations::{migrate_all, migrate_until};
use pannier_replay::checks::{CHECKS, check, load};
use pannier_replay::evidence::Evidence;
use pannier_testkit::{Servers, TestDb};

use crate::checks::with_ids;

/// The last migration before the event log was written once.
const BEFORE: &str = "20261120999999";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_orders_in_it_is_brought_up_to_date() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    db.execute("DROP SCHEMA orders CASCADE; DROP SCHEMA merchant CASCADE; DROP SCHEMA dispatch CASCADE").await;
    migrate_until(&db.admin_url, Some(BEFORE)).await.unwrap();
    let mut conn = db.connect().await;
    conn.batch_execute(&with_ids(include_str!("upgrade/before.sql"))).await.unwrap();

    migrate_all(&db.admin_url).await.unwrap();
    for (what, expected, sql) in [
        (
            "the order in which rows were written is theirs still",
            8,
            "SELECT count(DISTINCT seq) AS n FROM orders.events WHERE aggregate = 'order'",
        ),
        (
            "it grows with the versions",
            0,
            "SELECT count(*) AS n FROM orders.events a JOIN orders.events b USING (aggregate, aggregate_id) WHERE a.version < b.version AND a.seq > b.seq",
        ),
        (
            "what the broker had not taken is set aside",
            1,
            "SELECT count(*) AS n FROM orders.set_aside WHERE attempts = 3 AND last_error = 'returned'",
        ),
        (
            "everything else counts as published",
            0,
            "SELECT count(*) AS n FROM merchant.events, merchant.relay_cursor WHERE NOT pg_visible_in_snapshot(tx, done)",
        ),
        (
            "an order's copies are its progress",
            1,
            "SELECT count(*) AS n FROM orders.progress WHERE ticket ->> 'version' = '4' AND delivery ->> 'version' = '8'",
        ),
        ("a rider who is asked has an open offer", 1, "SELECT open_offers::bigint AS n FROM dispatch.riders"),
        ("what is open is known to be", 1, "SELECT count(*) AS n FROM dispatch.deliveries WHERE is_open"),
        ("what is over is known to be", 0, "SELECT count(*) AS n FROM orders.orders WHERE is_open"),
        ("answers stay, claims without an answer do not", 1, "SELECT count(*) AS n FROM orders.idempotency"),
    ] {
        assert_eq!(db.count(sql).await, expected, "{what}");
    }
    // As healthy as it was. The second delivery was only half there, and is taken away again; the relay passes what the
    // migration has told.
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
