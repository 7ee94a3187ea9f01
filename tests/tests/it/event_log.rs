//! The event log loses no event of a transaction that commits late, keeps the order of each aggregate, and does not
//! wait for open transactions.

use std::collections::HashMap;
use std::time::Duration;

use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use pannier_platform::event_log::{EventLog, TxSnapshot};
use pannier_platform::{Db, Stop};
use pannier_testkit::{Servers, TestDb, eventually};
use uuid::Uuid;

const WRITERS: usize = 32;
const WRITES: i64 = 25;

/// A running event log on the `orders` schema of the test.
async fn live(db: &Db, stop: &Stop) -> EventLog {
    let log = EventLog::new(db.clone());
    tokio::spawn(log.clone().run(stop.clone()));
    log.position().await.unwrap();
    log
}

fn event(aggregate: Uuid, version: i64) -> String {
    format!(
        "INSERT INTO events (event_id, type, aggregate, aggregate_id, version, actor, data)
         VALUES (gen_random_uuid(), 'order.changed.v1', 'order', '{aggregate}', {version}, 'test', '{{}}');"
    )
}

/// Writes versions 1, 2, 3 … of a few aggregates that all writers share. The row lock is taken after the transaction
/// has its id, so transaction ids are not in the order of versions. Some transactions stay open for a while.
async fn write(url: String, writer: usize, aggregates: Vec<Uuid>) {
    let mut conn = AsyncPgConnection::establish(&url).await.unwrap();
    for n in 0..WRITES {
        let aggregate = aggregates[(writer * 7 + n as usize) % aggregates.len()];
        let delay_ms = (writer as i64 * 13 + n * 29) % 20;
        conn.batch_execute(&format!(
            "BEGIN;
             SELECT pg_current_xact_id();
             UPDATE versions SET version = version + 1 WHERE id = '{aggregate}';
             INSERT INTO events (event_id, type, aggregate, aggregate_id, version, actor, data)
             SELECT gen_random_uuid(), 'order.changed.v1', 'order', id, version, 'test', '{{}}' FROM versions WHERE id = '{aggregate}';
             SELECT pg_sleep({delay_ms} / 1000.0);
             COMMIT;"
        ))
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_received_once_and_in_the_order_of_its_aggregate() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    let (stop, pool) = (Stop::new(), Db::new(&db.urls.order, 4).unwrap());
    let log = live(&pool, &stop).await;
    let mut heard = log.listen();

    // This transaction stays open all the time. A log that waited for it would deliver nothing.
    let mut idler = db.connect().await;
    idler.batch_execute("BEGIN; SELECT pg_current_xact_id();").await.unwrap();
    let aggregates: Vec<Uuid> = (0..8).map(|_| Uuid::now_v7()).collect();
    db.execute("CREATE TABLE orders.versions (id uuid PRIMARY KEY, version bigint NOT NULL); GRANT ALL ON orders.versions TO orders")
        .await;
    for id in &aggregates {
        db.execute(&format!("INSERT INTO orders.versions VALUES ('{id}', 0)")).await;
    }
    let writers = (0..WRITERS).map(|writer| tokio::spawn(write(db.urls.order.clone(), writer, aggregates.clone())));
    let writers: Vec<_> = writers.collect();

    let mut versions: HashMap<Uuid, i64> = HashMap::new();
    for _ in 0..WRITERS as i64 * WRITES {
        let event = tokio::time::timeout(Duration::from_secs(20), heard.recv())
            .await
            .expect("an event within twenty seconds")
            .unwrap();
        let last = versions.entry(event.aggregate_id).or_default();
        assert_eq!(event.version, *last + 1, "each version once, in order");
        *last = event.version;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    // The event of the transaction that stayed open is received when it commits, and not before.
    let late = Uuid::now_v7();
    idler.batch_execute(&format!("SET search_path = orders; {} COMMIT;", event(late, 1))).await.unwrap();
    assert_eq!(heard.recv().await.unwrap().aggregate_id, late);
    stop.cancel();
    db.remove(&servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_wakes_only_the_subscribers_of_its_aggregate() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    let (stop, pool) = (Stop::new(), Db::new(&db.urls.order, 4).unwrap());
    let log = live(&pool, &stop).await;
    let (mine, other) = (Uuid::now_v7(), Uuid::now_v7());
    let mut subscription = log.subscribe(mine.to_string());
    let write = |sql: String| format!("SET search_path = orders; {sql}");
    db.execute(&write(event(other, 1))).await;
    db.execute(&write(format!("{}{}", event(mine, 1), event(other, 2)))).await;
    let heard = subscription.next().await.unwrap();
    let about: Vec<_> = heard.events.iter().map(|event| (event.aggregate_id, event.version)).collect();
    assert_eq!(about, [(mine, 1)]);
    // `to` is a position in the whole log: a subscriber that resumes there misses no event of this aggregate.
    let seen: TxSnapshot = (*heard.to).clone();
    eventually("the log passes the event", || async {
        (!seen.is_after(&log.position().await.unwrap().seen)).then_some(())
    })
    .await;
    stop.cancel();
    db.remove(&servers).await;
}
