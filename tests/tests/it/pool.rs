//! The pool does not check connections before it hands them out. A dead connection fails at its first use, and the pool
//! takes another one.

use std::sync::Arc;

use diesel_async::SimpleAsyncConnection as _;
use futures::FutureExt as _;
use pannier_platform::{Db, Refusal};
use pannier_testkit::{Servers, TestDb, eventually};
use tokio::sync::Barrier;

/// Runs `count` transactions at the same time, each on a connection of its own.
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
    eventually("the connections are closed", || async { (db.count(&left).await == 0).then_some(()) }).await;
    let after = all_at_once(&pool, 4).await;
    assert!(after.iter().all(Result::is_ok), "{after:?}");
    db.remove(&servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_code_tells_an_outage_from_a_bug() {
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
    // The table is locked: the lock timeout passes (55P03).
    let mut holder = db.connect().await;
    holder.batch_execute("BEGIN; LOCK TABLE orders.quotes IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let busy = run("SELECT count(*) FROM quotes").await;
    assert!(matches!(&busy, Refusal::Away { .. }), "{busy:?}");
    // Only the error code counts: the messages say nothing.
    for outage in [
        "DO $$ BEGIN RAISE EXCEPTION 'Fehler' USING ERRCODE = '57014'; END $$",
        "DO $$ BEGIN RAISE EXCEPTION 'Fehler' USING ERRCODE = '53100'; END $$",
    ] {
        let refusal = run(outage).await;
        assert!(matches!(&refusal, Refusal::Away { .. }), "{outage}: {refusal:?}");
    }
    // A deadlock is retried. After the last retry it is a conflict.
    let deadlock = run("DO $$ BEGIN RAISE EXCEPTION 'Verklemmung' USING ERRCODE = '40P01'; END $$").await;
    assert!(matches!(&deadlock, Refusal::Conflict), "{deadlock:?}");
    let bug = run("DO $$ BEGIN RAISE EXCEPTION 'lock timeout' USING ERRCODE = '22000'; END $$").await;
    assert!(matches!(&bug, Refusal::Bug(_)), "{bug:?}");
    db.remove(&servers).await;
}
