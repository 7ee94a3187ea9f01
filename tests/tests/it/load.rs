//! The bots of `bench orders` deliver orders, and the SQL of the benchmark fits the tables.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use futures::FutureExt as _;
use pannier_client::Target;
use pannier_load::bots::{OrderOptions, place_order};
use pannier_load::city::{City, Tally};
use pannier_load::staff::Staff;
use pannier_load::{SystemUnderTest, applied, growth};
use pannier_platform::auth::Role;
use pannier_platform::retention::{self, RetentionPeriods, RetentionRules};
use pannier_platform::{Db, Stop, Tls};
use pannier_testkit::eventually;
use pannier_testkit::service::token;
use pannier_tests::TestCity;
use tokio::time::Instant;

/// Orders whose stream is followed until it shows them delivered.
const WATCHED: OrderOptions = OrderOptions { follows: true, waits_for_payment: true };

fn system(platform: &TestCity) -> SystemUnderTest {
    let mint = |role: Role, subject: &str| token(role, subject, Duration::from_secs(600));
    SystemUnderTest {
        target: Target {
            order_url: platform.order_url.clone(),
            merchant_url: platform.merchant_url.clone(),
            dispatch_url: platform.dispatch_url.clone(),
            minter: Arc::new(mint),
            tls: Tls::default(),
        },
        database_url: platform.db.admin_url.clone(),
        redis_url: platform.servers.redis_url.clone(),
        processes: [("order-svc".to_owned(), std::process::id())].into(),
        delivered_messages: Arc::new(|| async { None }.boxed()),
        progress: Arc::new(|_| {}),
        stop: Default::default(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bots_deliver_an_order() {
    let platform = TestCity::start().await;
    let system = system(&platform);
    let city = City::set_up(&system).await.expect("a city");
    let mut staff = Staff::open_shops(&city);
    staff.resize(2).await.expect("riders");
    let began = SystemTime::now() - Duration::from_millis(1);
    place_order(city.clone(), Instant::now(), WATCHED).await;
    eventually("the rider's last tap is acknowledged", || async {
        (city.tally.delivered.load(Ordering::Relaxed) == 1).then_some(())
    })
    .await;
    assert_eq!(Tally::take(&city.tally.errors), Default::default());

    let mut database = platform.db.connect().await;
    assert_eq!(applied::open_orders(&mut database).await.expect("it is read"), 0);
    let applied = applied::between(&mut database, began, SystemTime::now()).await.expect("it is read");
    assert_eq!((applied.all.count, applied.missing), (3, 0), "{applied:?}");
    assert!(applied.paid_to_ticket.p50_ms > 0.0, "{applied:?}");

    growth::write_history(&system, 30, 20).await.expect("history.sql fits the tables");
    for (table, count) in [("orders.orders", 31), ("merchant.tickets", 31), ("dispatch.deliveries", 31)] {
        assert_eq!(platform.db.count(&format!("SELECT count(*) AS n FROM {table}")).await, count, "{table}");
    }
    staff.resize(0).await.expect("riders go home");
    system.stop.cancel();
    platform.end().await;
}

/// Finished orders. No request has a reason to read them.
const HISTORY: u64 = 30_000;
/// Deliveries that dispatch-svc estimates demand and kitchens from (`tasks/recent_orders.rs`).
const RECENT_ORDERS: i64 = 3_000;

#[derive(QueryableByName)]
struct Read {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    rows: i64,
    #[diesel(sql_type = BigInt)]
    written: i64,
}

/// Rows that PostgreSQL has read and inserted since its statistics began, by table.
async fn reads(platform: &TestCity) -> HashMap<String, (i64, i64)> {
    let sql = "SELECT schemaname || '.' || relname AS name, seq_tup_read + coalesce(idx_tup_fetch, 0) AS rows, n_tup_ins AS written
               FROM pg_stat_user_tables";
    let mut database = platform.db.connect().await;
    let reads: Vec<Read> =
        diesel_async::RunQueryDsl::load(diesel::sql_query(sql), &mut database).await.expect("it is read");
    reads.into_iter().map(|read| (read.name, (read.rows, read.written))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_an_order_nor_retention_scans_a_whole_table() {
    let platform = TestCity::start().await;
    let system = system(&platform);
    let city = City::set_up(&system).await.expect("a city");
    let mut staff = Staff::open_shops(&city);
    staff.resize(4).await.expect("riders");
    growth::write_history(&system, HISTORY, HISTORY).await.expect("history.sql fits the tables");
    let (before, began) = (reads(&platform).await, Instant::now());
    let orders = (0..8).map(|_| place_order(city.clone(), Instant::now(), WATCHED));
    futures::future::join_all(orders).await;
    let periods = RetentionPeriods::new(7, 24).expect("sensible");
    for url in [&platform.db.urls.order, &platform.db.urls.merchant, &platform.db.urls.dispatch] {
        let pool = Db::new(url, 1).expect("a pool");
        retention::pass(&pool, periods, RetentionRules::default(), &Stop::new()).await;
    }
    // A connection reports its statistics only after it has been idle for a while.
    let after = eventually("PostgreSQL reports what was written", || async {
        let after = reads(&platform).await;
        let written = |table: &str| after[table].1 - before[table].1;
        (written("orders.orders") == 8 && written("dispatch.offers") >= 8 && written("merchant.tickets") == 8)
            .then_some(after)
    })
    .await;
    let rows = |table: &str| after[table].0 - before[table].0;
    let most = |table: &str| {
        let few = i64::try_from(HISTORY).expect("small") / 2;
        // The dispatcher reads its window of recent orders again every five seconds, however long this takes.
        let windows = i64::try_from(began.elapsed().as_secs() / 5 + 2).expect("small");
        if table == "dispatch.deliveries" { few + windows * RECENT_ORDERS } else { few }
    };
    let whole: Vec<_> = after.keys().map(|table| (table, rows(table))).filter(|(t, rows)| *rows > most(t)).collect();
    assert!(whole.is_empty(), "more rows were read than a few orders can need: {whole:?}");
    assert!(rows("orders.orders") > 8, "reads are counted: {}", rows("orders.orders"));
    staff.resize(0).await.expect("riders go home");
    system.stop.cancel();
    platform.end().await;
}
