//! Several processes of one service: each has a name of its own, and they share the jobs that need a lease.

use pannier_platform::leases::Lease;
use pannier_platform::{Db, Instance, Stop, Tls};
use pannier_testkit::{Servers, TestDb, eventually};
use tokio::task::JoinHandle;

const JOBS: usize = 5;

/// Stands for a process: it holds an instance name and leases.
struct Process {
    instance: Instance,
    stop: Stop,
    named: JoinHandle<anyhow::Result<()>>,
}

impl Process {
    fn start(db: &TestDb, name: &str) -> Self {
        let (instance, stop) = (Instance::named(name), Stop::new());
        let (keeping, url, stopped) = (instance.clone(), db.urls.order.clone(), stop.clone());
        let named = tokio::spawn(async move { keeping.hold_name(&url, &Tls::default(), stopped).await });
        Self { instance, stop, named }
    }

    /// Competes for the leases of all jobs.
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
async fn a_name_belongs_to_one_process_and_is_free_as_soon_as_that_ends() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    let first = Process::start(&db, "order-1");
    first.instance.wait_for_name().await;
    let second = Process::start(&db, "order-1");
    second.named.await.unwrap().unwrap();
    assert!(second.instance.is_duplicate(), "another process has that name");
    // Another name is free.
    let other = Process::start(&db, "order-2");
    other.instance.wait_for_name().await;

    // The database ends the sessions that hold the names. Both processes take their names again.
    let cut = "SELECT count(pg_terminate_backend(pid)) AS n FROM pg_locks WHERE locktype = 'advisory' AND database =
               (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(db.count(cut).await, 2);
    let locks = cut.replace("pg_terminate_backend(pid)", "*");
    eventually("both have their names again", || async { (db.count(&locks).await == 2).then_some(()) }).await;
    assert!(!first.instance.is_duplicate());

    // A process is killed. Its successor gets the name without waiting.
    first.named.abort();
    let third = Process::start(&db, "order-1");
    third.instance.wait_for_name().await;
    assert!(!third.instance.is_duplicate());
    third.stop.cancel();
    other.stop.cancel();
    db.remove(&servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_starts_later_gets_a_share_of_the_leases() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    let first = Process::start(&db, "order-1").works(&db);
    eventually("a single process holds all leases", || async { (held_by(&db, "order-1").await == 5).then_some(()) })
        .await;
    let second = Process::start(&db, "order-2").works(&db);
    eventually("two processes share the leases", || async {
        (held_by(&db, "order-1").await == 3 && held_by(&db, "order-2").await == 2).then_some(())
    })
    .await;
    // A process that stops releases its leases at once.
    second.stop.cancel();
    eventually("the first process holds all leases again", || async {
        (held_by(&db, "order-1").await == 5).then_some(())
    })
    .await;
    first.stop.cancel();
    db.remove(&servers).await;
}
