//! The pool checks no connection: one that died unnoticed shows at its first use, and another one is taken.

use std::sync::Arc;

use diesel_async::SimpleAsyncConnection as _;
use futures::FutureExt as _;
use pannier_platform::{Db, Refusal};
use pannier_testkit::{Servers, TestDb, eventually};
use tokio::sync::Barrier;

/// As many transactions at once as there are connections.
async fn all_at_once(pool: &Db, count: usize) -> Vec<Result<(), Refusal>> {
    let barrier = Arc::new(Barrier::new(count));
    let transactions = (0..count).map(|_| {
        let (pool, barrier) = (pool.clone(), Arc::clone(&barrier));
        async move {
            pool.transaction(move |conn| {
                let barrier = Arc::clone(&barrier);
                async move {
                    barrier.wait().await;
                    Ok(conn.batch_execute("SELECT 1").await?)
                }
                .boxed()
            })
            .await
        }
    });
    futures::future::join_all(transactions).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_unnoticed_are_replaced() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    let pool = Db::new(&db.urls.order, 4).unwrap();
    assert!(all_at_once(&pool, 4).await.iter().all(Result::is_ok));
    let mine = format!("datname = '{}' AND usename = 'orders'", db.name);
    db.execute(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")).await;
    let left = format!("SELECT count(*) AS n FROM pg_stat_activity WHERE {mine}");
    eventually("they are gone", || async { (db.count(&left).await == 0).then_some(()) }).await;
    let after = all_at_once(&pool, 4).await;
    assert!(after.iter().all(Result::is_ok), "{after:?}");
    db.remove(&servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_from_a_bug_by_its_code() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    let pool = Db::new(&db.urls.order, 2).unwrap();
    let run = |sql: &'static str| {
        let pool = pool.clone();
        async move {
            let done = pool.transaction(move |conn| async move { Ok(conn.batch_execute(sql).await?) }.boxed());
            done.await.unwrap_err()
        }
    };
    // Somebody holds the table: waiting runs out (55P03).
    let mut holder = db.connect().await;
    holder.batch_execute("BEGIN; LOCK TABLE orders.quotes IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let busy = run("SELECT count(*) FROM quotes").await;
    assert!(matches!(&busy, Refusal::Away { .. }), "{busy:?}");
    // Raised as the server would, in words that say nothing.
    for outage in [
        "DO $$ BEGIN RAISE EXCEPTION 'Fehler' USING ERRCODE = '57014'; END $$",
        "DO $$ BEGIN RAISE EXCEPTION 'Fehler' USING ERRCODE = '53100'; END $$",
    ] {
        let refusal = run(outage).await;
        assert!(matches!(&refusal, Refusal::Away { .. }), "{outage}: {refusal:?}");
    }
    // A deadlock is worth another try, and after some tries a conflict.
    let deadlock = run("DO $$ BEGIN RAISE EXCEPTION 'Verklemmung' USING ERRCODE = '40P01'; END $$").await;
    assert!(matches!(&deadlock, Refusal::Conflict), "{deadlock:?}");
    let bug = run("DO $$ BEGIN RAISE EXCEPTION 'lock timeout' USING ERRCODE = '22000'; END $$").await;
    assert!(matches!(&bug, Refusal::Bug(_)), "{bug:?}");
    db.remove(&servers).await;
}
