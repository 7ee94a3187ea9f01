//! The checks of `tests/checks` find every kind of violation: each one is planted in a healthy database and counted.

mod plants;

use std::fmt::Write as _;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use pannier_contracts::Lifecycle;
use pannier_replay::checks::{BEFORE_TIDYING, CHECKS, Finding, check, load};
use pannier_replay::evidence::Evidence;
use pannier_testkit::{Servers, TestDb};
use plants::{BAD_ENDS, GOOD_ENDS, PLANTS};

/// Replaces `$order`, `$rider` and the like in SQL with fixed ids.
pub(crate) fn with_ids(sql: &str) -> String {
    let names = [
        "order", "payment", "quote", "customer", "merchant", "ticket", "delivery", "offer", "rider", "round", "zone",
        "other", "another",
    ];
    names.iter().enumerate().fold(sql.to_owned(), |sql, (n, name)| {
        sql.replace(&format!("${name}"), &format!("'00000000-0000-7000-8000-{n:012}'::uuid"))
    })
}

/// A database in which one order was delivered, and a connection with the temporary tables that the checks read.
pub(crate) async fn healthy(servers: &Servers) -> (TestDb, AsyncPgConnection) {
    let db = TestDb::create(servers).await;
    let mut conn = db.connect().await;
    load(&mut conn, &Evidence::default()).await.unwrap();
    conn.batch_execute(&with_ids(include_str!("checks/healthy.sql"))).await.unwrap();
    (db, conn)
}

async fn run(conn: &mut AsyncPgConnection, name: &str) -> Finding {
    let before = ("stuck before", BEFORE_TIDYING);
    let (name, sql) = CHECKS.iter().chain([&before]).find(|c| c.0 == name).unwrap();
    check(conn, name, sql).await.unwrap()
}

/// What a check finds after a change. The change is rolled back.
async fn found_after(conn: &mut AsyncPgConnection, change: &str, name: &str) -> Finding {
    conn.batch_execute("BEGIN").await.unwrap();
    conn.batch_execute(&with_ids(change)).await.unwrap_or_else(|e| panic!("{e}: {change}"));
    let finding = run(conn, name).await;
    conn.batch_execute("ROLLBACK").await.unwrap();
    finding
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_violations_passes() {
    let servers = Servers::from_env();
    let empty = TestDb::create(&servers).await;
    let mut conn = empty.connect().await;
    load(&mut conn, &Evidence::default()).await.unwrap();
    let (healthy, mut healthy_conn) = healthy(&servers).await;
    for (name, _) in CHECKS.into_iter().chain([("stuck before", BEFORE_TIDYING)]) {
        let nothing = Finding { name, count: 0, details: Vec::new() };
        assert_eq!(run(&mut conn, name).await, nothing, "an empty database");
        assert_eq!(run(&mut healthy_conn, name).await, nothing, "one order that was delivered");
    }
    empty.remove(&servers).await;
    healthy.remove(&servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_violation_is_counted() {
    let servers = Servers::from_env();
    let (db, mut conn) = healthy(&servers).await;
    let mut wrong = String::new();
    for plant in PLANTS {
        let found = found_after(&mut conn, plant.sql, plant.check).await;
        if found.count != plant.amount {
            writeln!(wrong, "{}, {}: {} expected, {found:#?}", plant.check, plant.what, plant.amount).unwrap();
        }
        assert_eq!(
            found.details.is_empty(),
            found.count == 0,
            "{}, {}: there are details if and only if something was found",
            plant.check,
            plant.what
        );
    }
    assert!(wrong.is_empty(), "{wrong}");
    for (name, _) in CHECKS.into_iter().chain([("stuck before", BEFORE_TIDYING)]) {
        assert!(PLANTS.iter().any(|p| p.check == name), "nothing was planted for {name}");
    }
    db.remove(&servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_allowed_combinations_of_end_states_pass() {
    let servers = Servers::from_env();
    let (db, mut conn) = healthy(&servers).await;
    let mut wrong = String::new();
    for (ends, expected) in GOOD_ENDS.iter().map(|e| (e, 0)).chain(BAD_ENDS.iter().map(|e| (e, 1))) {
        let row = |table: &str, state: &str| match state {
            "-" => format!("DELETE FROM {table};"),
            state => format!("UPDATE {table} SET state = '{state}';"),
        };
        let [order, ticket, delivery, payment] = *ends;
        let change = [
            // Rows that refer to the deleted ones stay, so the constraints have to go.
            "ALTER TABLE dispatch.rounds DROP CONSTRAINT rounds_delivery_id_fkey;".to_owned(),
            "ALTER TABLE dispatch.offers DROP CONSTRAINT offers_delivery_id_fkey;".to_owned(),
            "ALTER TABLE dispatch.deliveries DROP CONSTRAINT deliveries_check1;".to_owned(),
            row("orders.orders", order),
            row("merchant.tickets", ticket),
            row("dispatch.deliveries", delivery),
            row("orders.payments", payment),
        ]
        .concat();
        let found = found_after(&mut conn, &change, "invariant_violations").await;
        let ends_found: Vec<_> = found.details.iter().filter(|d| d.starts_with("end states: ")).collect();
        if ends_found.len() != expected {
            writeln!(wrong, "{}: {expected} expected, {ends_found:?}", ends.join(" / ")).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    db.remove(&servers).await;
}

/// The transitions of a lifecycle that change the state, as rows of SQL.
fn edges<L: Lifecycle>(rows: &mut Vec<String>) {
    for from in L::states() {
        let mut to: Vec<_> = L::triggers().iter().filter_map(|t| L::table(*from, *t)).filter(|to| to != from).collect();
        to.sort_unstable();
        to.dedup();
        rows.extend(to.iter().map(|to| format!("    ('{}', '{from}', '{to}')", L::NAME)));
    }
}

#[test]
fn the_edges_in_the_sql_are_those_of_the_lifecycles() {
    let mut rows = Vec::new();
    edges::<order_svc::domain::lifecycle::OrderLifecycle>(&mut rows);
    edges::<order_svc::domain::lifecycle::PaymentLifecycle>(&mut rows);
    edges::<merchant_svc::domain::lifecycle::TicketLifecycle>(&mut rows);
    edges::<dispatch_svc::domain::lifecycle::DeliveryLifecycle>(&mut rows);
    edges::<dispatch_svc::domain::lifecycle::OfferLifecycle>(&mut rows);
    let expected = rows.join(",\n");
    let sql = include_str!("../../checks/invariant_violations.sql");
    let (_, rest) = sql.split_once("-- edges begin\n").expect("the block begins");
    let (written, _) = rest.split_once("-- edges end").expect("the block ends");
    assert!(
        written.trim_end() == expected,
        "a lifecycle has changed: put this between `-- edges begin` and `-- edges end` in tests/checks/invariant_violations.sql:\n{expected}\n"
    );
}
