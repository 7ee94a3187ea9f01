//! A running process and its name: nobody else runs under it, and its leases are held in it.
//!
//! The name is an advisory lock of a database session of its own. It ends with the process, however that ends, so a
//! process that is started again after a crash has its name, and with it its leases, at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::db::Prepare as _;
use crate::{Db, Refusal, Stop};

/// How often the name is looked after, and other instances are counted.
const LOOK: Duration = Duration::from_secs(3);
/// How long somebody may take to leave whose name this process has.
const LEAVING: Duration = Duration::from_secs(4);
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// A process of a service. Clones are the same instance.
#[derive(Debug, Clone)]
pub struct Instance(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    has_name: watch::Sender<bool>,
    is_refused: AtomicBool,
    /// Instances of this service that run now, this one among them.
    running: AtomicUsize,
    /// Leases that this process asks for, and those that it holds.
    asked_for: AtomicUsize,
    held: AtomicUsize,
}

#[derive(QueryableByName)]
struct Seen {
    #[diesel(sql_type = Bool)]
    is_mine: bool,
    #[diesel(sql_type = BigInt)]
    running: i64,
    #[diesel(sql_type = Integer)]
    session: i32,
}

impl Instance {
    /// An instance that has not asked for its name yet.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            name: name.into(),
            has_name: watch::Sender::new(false),
            is_refused: AtomicBool::new(false),
            running: AtomicUsize::new(1),
            asked_for: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        }))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Waits until the name is this process's.
    pub async fn has_name(&self) {
        // It cannot close: `self` has the sender.
        let _ = self.0.has_name.subscribe().wait_for(|has| *has).await;
    }

    /// Whether somebody else runs under this name, so that this process must not.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.0.is_refused.load(Ordering::Relaxed)
    }

    /// Takes the name and keeps it until `stop`. Ends early when another process has it.
    ///
    /// # Errors
    /// When `url` is no database's.
    pub async fn keep(self, url: &str, stop: Stop) -> anyhow::Result<()> {
        // One connection, which nobody else uses: the lock is its session's.
        let db = Db::new(url, 1)?;
        let (mut former, mut taken_since) = (0, None);
        while !stop.is_cancelled() {
            let pause = match self.look(&db).await {
                Ok(seen) if seen.is_mine => {
                    (former, taken_since) = (seen.session, None);
                    self.0.running.store(usize::try_from(seen.running).unwrap_or(1).max(1), Ordering::Relaxed);
                    self.0.has_name.send_replace(true);
                    LOOK
                }
                Ok(_) => {
                    // A session that this process has given up may still be there: it blocks nobody but us.
                    if let Err(refusal) = end_session(&db, former).await {
                        tracing::debug!(error = ?refusal, "a former session could not be ended");
                    }
                    if taken_since.get_or_insert_with(Instant::now).elapsed() > LEAVING {
                        self.0.is_refused.store(true, Ordering::Relaxed);
                        tracing::error!(instance = self.name(), "another process runs as {}", self.name());
                        return Ok(());
                    }
                    ASK_AGAIN
                }
                Err(refusal) => {
                    tracing::debug!(error = ?refusal, "the database cannot be asked for the instance's name; trying again");
                    ASK_AGAIN * 5
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        Ok(())
    }

    async fn look(&self, db: &Db) -> Result<Seen, Refusal> {
        use diesel_async::RunQueryDsl as _;
        let name = self.0.name.clone();
        db.read(move |conn| {
            async move {
                // Raw: advisory locks are functions and rows of the catalogue.
                Ok(diesel::sql_query(
                    "WITH held AS (
                         SELECT objid, pid FROM pg_locks
                         WHERE locktype = 'advisory' AND granted AND classid = hashtext(current_schema())::oid
                             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                     )
                     SELECT (EXISTS (SELECT 1 FROM held WHERE objid = hashtext($1)::oid AND pid = pg_backend_pid())
                             OR pg_try_advisory_lock(hashtext(current_schema()), hashtext($1))) AS is_mine,
                         (SELECT count(DISTINCT objid) FROM held) AS running, pg_backend_pid() AS session",
                )
                .bind::<Text, _>(name)
                .prepared()
                .get_result(conn)
                .await?)
            }
            .boxed()
        })
        .await
    }

    /// One more lease is asked for, until this is dropped.
    pub(crate) fn asks(&self) -> Asking {
        self.0.asked_for.fetch_add(1, Ordering::Relaxed);
        Asking(self.clone())
    }

    /// Another lease is held, until this is dropped or given back.
    pub(crate) fn holds(&self) -> Held {
        self.0.held.fetch_add(1, Ordering::Relaxed);
        Held { instance: self.clone(), is_counted: AtomicBool::new(true) }
    }

    /// How many leases it holds.
    pub(crate) fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// How many of the leases fall to each instance that runs.
    fn share(&self) -> usize {
        self.0.asked_for.load(Ordering::Relaxed).div_ceil(self.0.running.load(Ordering::Relaxed))
    }
}

/// A lease that this process would like to have.
#[derive(Debug)]
pub(crate) struct Asking(Instance);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.0.asked_for.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A lease that this process holds.
#[derive(Debug)]
pub(crate) struct Held {
    instance: Instance,
    is_counted: AtomicBool,
}

impl Held {
    /// Whether this one should go to an instance that has fewer. From then on it is not counted, so that no more are
    /// given back than are too many.
    pub(crate) fn is_too_many(&self) -> bool {
        let share = self.instance.share();
        let less = |held: usize| (held > share).then(|| held - 1);
        let is_too_many = self.instance.0.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        if is_too_many {
            self.is_counted.store(false, Ordering::Relaxed);
        }
        is_too_many
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.instance.0.held.fetch_sub(usize::from(self.is_counted.load(Ordering::Relaxed)), Ordering::Relaxed);
    }
}

async fn end_session(db: &Db, session: i32) -> Result<(), Refusal> {
    use diesel_async::RunQueryDsl as _;
    db.read(move |conn| {
        async move {
            // Raw, as above.
            diesel::sql_query(
                "SELECT pg_terminate_backend(pid) FROM pg_locks
                 WHERE locktype = 'advisory' AND classid = hashtext(current_schema())::oid AND pid = $1",
            )
            .bind::<Integer, _>(session)
            .prepared()
            .execute(conn)
            .await?;
            Ok(())
        }
        .boxed()
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_more_than_its_share_gives_back_what_is_too_much_and_no_more() {
        let instance = Instance::named("one");
        let asks: Vec<_> = (0..5).map(|_| instance.asks()).collect();
        let leases: Vec<_> = (0..5).map(|_| instance.holds()).collect();
        assert!(!leases.iter().any(Held::is_too_many), "alone it keeps all");
        instance.0.running.store(2, Ordering::Relaxed);
        let given: Vec<_> = leases.iter().filter(|lease| lease.is_too_many()).collect();
        assert_eq!((given.len(), instance.held()), (2, 3));
        drop(leases);
        drop(asks);
        assert_eq!((instance.held(), instance.share()), (0, 0));
    }
}
