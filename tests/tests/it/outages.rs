//! A locked table, a malformed message or a frozen server affects no other message and blocks no caller.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection as _;
use futures::FutureExt as _;
use lapin::BasicProperties;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use pannier_contracts::merchant::{MerchantSnapshot, MerchantStatus};
use pannier_contracts::topology::{ROUTES, dead_queue, retry_queue};
use pannier_contracts::{MerchantId, Place, Version};
use pannier_platform::{Db, Refusal, broker};
use pannier_testkit::{Servers, TestDb, event_bytes, eventually};
use pannier_tests::TestCity;
use pannier_tests::city::text;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The number of messages in the retry queues and the dead-letter queues.
pub async fn retrying_or_dead(city: &TestCity) -> u32 {
    let connection = city.broker.connect("test").await.unwrap();
    let channel = city.broker.channel(&connection).await.unwrap();
    let mut count = 0;
    for route in ROUTES {
        let queue = city.broker.namespace.of(route.queue);
        for name in [dead_queue(&queue), retry_queue(&queue, 5), retry_queue(&queue, 30), retry_queue(&queue, 300)] {
            let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            count += channel
                .queue_declare(name.as_str().into(), passive, FieldTable::default())
                .await
                .unwrap()
                .message_count();
        }
    }
    connection.close(200, "done".into()).await.unwrap();
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_waits_while_a_table_is_locked_and_counts_no_failed_attempt() {
    let city = TestCity::start().await;
    let (shop, customer) = (city.shop().await, city.customer());
    let mut locker = city.db.connect().await;
    locker.batch_execute("BEGIN; LOCK TABLE merchant.tickets IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let order = city.placed(&customer, &shop).await;
    // The lock timeout is two seconds. When the consumer waits again, its first try has failed.
    let waiting = "SELECT count(*) AS n FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                   WHERE NOT granted AND relation = 'merchant.tickets'::regclass AND d.datname = current_database()";
    for look in ["it waits for the table", "the lock timeout has passed", "it waits again"] {
        let waits = look != "the lock timeout has passed";
        eventually(look, || async { ((city.db.count(waiting).await > 0) == waits).then_some(()) }).await;
    }
    assert_eq!(retrying_or_dead(&city).await, 0, "no message waits for a retry, and none is dead");
    locker.batch_execute("ROLLBACK").await.unwrap();
    let opened = format!(
        "SELECT count(*) AS n FROM merchant.tickets WHERE replace(order_id::text, '-', '') = replace('{}', 'ord_', '')",
        text(&order["id"]).replace('-', "")
    );
    eventually("the ticket opens", || async { (city.db.count(&opened).await == 1).then_some(()) }).await;
    assert_eq!(retrying_or_dead(&city).await, 0, "no message waits for a retry, and none is dead");
    city.end().await;
}

/// The event that a shop was created, as merchant-svc publishes it.
fn news(name: &str) -> (MerchantId, Vec<u8>) {
    let id = MerchantId::generate();
    let data = MerchantSnapshot {
        id,
        version: Version::FIRST,
        name: name.to_owned(),
        place: Place::new(52.5, 13.4).unwrap(),
        currency: "EUR".parse().unwrap(),
        prep_ms: 60_000,
        status: MerchantStatus::Open,
        menu: Vec::new(),
    };
    (id, event_bytes(&data))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_message_harms_no_other_wherever_it_is_in_the_batch() {
    let city = TestCity::start().await;
    let connection = city.broker.connect("test").await.unwrap();
    let channel = city.broker.publishing_channel(&connection).await.unwrap();
    let queue = city.broker.namespace.of("order.merchant");
    let before = city.db.count("SELECT count(*) AS n FROM orders.merchants").await;
    for bad in 0..16 {
        // PostgreSQL stores no text with a NUL byte. That message fails, and the transaction of its batch with it.
        let bodies: Vec<_> = (0..16).map(|n| news(if n == bad { "B\0d" } else { "Good" }).1).collect();
        let sent = bodies.iter().map(|body| broker::put(&channel, &queue, body, BasicProperties::default()));
        futures::future::try_join_all(sent).await.unwrap();
    }
    let kept = "SELECT count(*) AS n FROM orders.merchants WHERE name = 'Good'";
    eventually("all good ones are applied", || async { (city.db.count(kept).await == 16 * 15).then_some(()) }).await;
    eventually("the bad ones wait for a retry", || async { (retrying_or_dead(&city).await == 16).then_some(()) }).await;
    assert_eq!(city.db.count("SELECT count(*) AS n FROM orders.merchants").await, before + 16 * 15);
    connection.close(200, "done".into()).await.unwrap();
    city.end().await;
}

/// A proxy before a server. While the switch is on it forwards nothing and keeps the connections open, as a network
/// does when a cable is pulled.
async fn black_hole(server: SocketAddr) -> (u16, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (switch, is_dark) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut is_dark = is_dark.clone();
            tokio::spawn(async move {
                let _ = is_dark.wait_for(|is_dark| !is_dark).await;
                let Ok(mut server) = TcpStream::connect(server).await else { return };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
                    _ = is_dark.wait_for(|is_dark| *is_dark) => {}
                }
                // Both connections stay open until the switch is off.
                let _ = is_dark.wait_for(|is_dark| !is_dark).await;
            });
        }
    });
    (port, switch)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_does_not_answer_is_away_within_seconds() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    let (login, rest) = db.urls.order.rsplit_once('@').unwrap();
    let (address, name) = rest.split_once('/').unwrap();
    let (port, switch) = black_hole(address.parse().unwrap()).await;
    let pool = Db::new(&format!("{login}@127.0.0.1:{port}/{name}"), 2).unwrap();
    pool.read(|conn| async move { Ok(conn.batch_execute("SELECT 1").await?) }.boxed()).await.unwrap();

    switch.send_replace(true);
    let began = Instant::now();
    let read = pool.read(|conn| async move { Ok(conn.batch_execute("SELECT 1").await?) }.boxed());
    let written = pool.transaction(|conn| async move { Ok(conn.batch_execute("SELECT 1").await?) }.boxed());
    let (read, written) = tokio::join!(read, written);
    assert!(matches!(read, Err(Refusal::Away { .. })), "{read:?}");
    assert!(matches!(written, Err(Refusal::Away { .. })), "{written:?}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());

    switch.send_replace(false);
    let again = || pool.read(|conn| async move { Ok(conn.batch_execute("SELECT 1").await?) }.boxed());
    eventually("the database answers again", || async { again().await.ok() }).await;
    db.remove(&servers).await;
}
