//! Several processes of one service: each has a name of its own, and they share the jobs that one at a time does.

use pannier_platform::leases::Lease;
use pannier_platform::{Db, Instance, Stop};
use pannier_testkit::{Servers, TestDb, eventually};
use tokio::task::JoinHandle;

const JOBS: usize = 5;

/// A process as far as its name and its leases go.
struct Process {
    instance: Instance,
    stop: Stop,
    named: JoinHandle<anyhow::Result<()>>,
}

impl Process {
    fn start(db: &TestDb, name: &str) -> Self {
        let (instance, stop) = (Instance::named(name), Stop::new());
        let (keeping, url, stopped) = (instance.clone(), db.urls.order.clone(), stop.clone());
        let named = tokio::spawn(async move { keeping.hold_name(&url, stopped).await });
        Self { instance, stop, named }
    }

    /// Asks for all jobs.
    fn works(self, db: &TestDb) -> Self {
        for job in 0..JOBS {
            let pool = Db::new(&db.urls.order, 2).unwrap();
            let lease = Lease::new(pool, format!("job-{job}"), self.instance.clone());
            tokio::spawn(lease.run(self.stop.clone(), |held| async move { held.cancelled().await }));
        }
        self
    }
}

async fn held_by(db: &TestDb, name: &str) -> i64 {
    let live = "until > clock_timestamp()";
    db.count(&format!("SELECT count(*) AS n FROM orders.leases WHERE holder = '{name}' AND {live}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_belongs_to_one_process_and_is_free_as_soon_as_that_is_gone() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    let first = Process::start(&db, "order-1");
    first.instance.wait_for_name().await;
    let second = Process::start(&db, "order-1");
    second.named.await.unwrap().unwrap();
    assert!(second.instance.is_duplicate(), "somebody else runs under that name");
    // The same name at another service, and another name at this one, disturb nobody.
    let other = Process::start(&db, "order-2");
    other.instance.wait_for_name().await;

    // Its sessions are cut: it takes its name again.
    let cut = "SELECT count(pg_terminate_backend(pid)) AS n FROM pg_locks WHERE locktype = 'advisory' AND database =
               (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(db.count(cut).await, 2);
    let locks = cut.replace("pg_terminate_backend(pid)", "*");
    eventually("both have their names again", || async { (db.count(&locks).await == 2).then_some(()) }).await;
    assert!(!first.instance.is_duplicate());

    // Killed, without a word: its successor does not wait for anything.
    first.named.abort();
    let third = Process::start(&db, "order-1");
    third.instance.wait_for_name().await;
    assert!(!third.instance.is_duplicate());
    third.stop.cancel();
    other.stop.cancel();
    db.remove(&servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_later_gets_a_share_of_the_leases() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    let first = Process::start(&db, "order-1").works(&db);
    eventually("alone it holds all", || async { (held_by(&db, "order-1").await == 5).then_some(()) }).await;
    let second = Process::start(&db, "order-2").works(&db);
    eventually("they share", || async {
        (held_by(&db, "order-1").await == 3 && held_by(&db, "order-2").await == 2).then_some(())
    })
    .await;
    // Leaving, it gives everything back at once.
    second.stop.cancel();
    eventually("alone again", || async { (held_by(&db, "order-1").await == 5).then_some(()) }).await;
    first.stop.cancel();
    db.remove(&servers).await;
}
