//! A running process of a service, under a name that no other process of the service has at the same time.
//!
//! The name is a session advisory lock of a connection of its own. The lock ends with the process, however that ends, so a
//! process that is restarted after a crash gets its name back at once, and with the name its leases.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::db::Prepare as _;
use crate::{Db, Refusal, Stop, Tls};

/// How often the lock is checked, and the other instances are counted.
const POLL: Duration = Duration::from_secs(3);
/// How often the lock is asked for while another session has it …
const RETRY: Duration = Duration::from_millis(200);
/// … for so long: a process that is ending may have it still.
const PATIENCE: Duration = Duration::from_secs(4);

/// A process of a service. Clones are the same instance.
#[derive(Debug, Clone)]
pub struct Instance(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    has_name: watch::Sender<bool>,
    is_duplicate: AtomicBool,
    /// Running instances of this service, including this one.
    running: AtomicUsize,
    /// Leases that this process wants, and those that it holds.
    wanted: AtomicUsize,
    held: AtomicUsize,
}

#[derive(QueryableByName)]
struct Lock {
    #[diesel(sql_type = Bool)]
    is_mine: bool,
    /// Instances that hold a lock, including this one.
    #[diesel(sql_type = BigInt)]
    running: i64,
    /// The process id of the session at the server.
    #[diesel(sql_type = Integer)]
    session: i32,
}

impl Instance {
    /// An instance that does not have its name yet.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            name: name.into(),
            has_name: watch::Sender::new(false),
            is_duplicate: AtomicBool::new(false),
            running: AtomicUsize::new(1),
            wanted: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        }))
    }

    /// Its name, as leases and logs show it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Waits until this process has the name.
    pub async fn wait_for_name(&self) {
        // The channel cannot close: `self` has the sender.
        let _ = self.0.has_name.subscribe().wait_for(|has| *has).await;
    }

    /// Whether another process runs under this name, so that this one has to stop.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        self.0.is_duplicate.load(Ordering::Relaxed)
    }

    /// Takes the name and holds it until `stop`. Returns early when another process has it.
    ///
    /// # Errors
    /// When `url` is not a database URL.
    pub async fn hold_name(self, url: &str, tls: &Tls, stop: Stop) -> anyhow::Result<()> {
        // A pool of one connection, because the lock belongs to its session.
        let db = Db::with_tls(url, 1, tls)?;
        let (mut last_session, mut taken_since) = (0, None);
        while !stop.is_cancelled() {
            let pause = match self.take_lock(&db).await {
                Ok(lock) if lock.is_mine => {
                    (last_session, taken_since) = (lock.session, None);
                    self.0.running.store(usize::try_from(lock.running).unwrap_or(1).max(1), Ordering::Relaxed);
                    self.0.has_name.send_replace(true);
                    POLL
                }
                Ok(_) => {
                    // It may be an earlier session of this process, whose connection was lost without the server noticing.
                    if let Err(refusal) = end_session(&db, last_session).await {
                        tracing::debug!(error = ?refusal, "the earlier session could not be ended");
                    }
                    if taken_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                        self.0.is_duplicate.store(true, Ordering::Relaxed);
                        tracing::error!(instance = self.name(), "another process runs as {}", self.name());
                        return Ok(());
                    }
                    RETRY
                }
                Err(refusal) => {
                    tracing::debug!(error = ?refusal, "the lock on the instance's name cannot be taken; trying again");
                    RETRY * 5
                }
            };
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        Ok(())
    }

    /// Takes the lock unless this session has it already.
    async fn take_lock(&self, db: &Db) -> Result<Lock, Refusal> {
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

    /// Counts one more wanted lease until the guard is dropped.
    pub(crate) fn want_lease(&self) -> WantedLease {
        self.0.wanted.fetch_add(1, Ordering::Relaxed);
        WantedLease(self.clone())
    }

    /// Counts one more held lease until the guard is dropped or its lease is given back.
    pub(crate) fn hold_lease(&self) -> HeldLease {
        self.0.held.fetch_add(1, Ordering::Relaxed);
        HeldLease { instance: self.clone(), is_counted: AtomicBool::new(true) }
    }

    /// The number of leases it holds.
    pub(crate) fn leases_held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// The number of leases that each running instance should hold.
    fn fair_share(&self) -> usize {
        self.0.wanted.load(Ordering::Relaxed).div_ceil(self.0.running.load(Ordering::Relaxed))
    }
}

/// A lease that this process wants.
#[derive(Debug)]
pub(crate) struct WantedLease(Instance);

impl Drop for WantedLease {
    fn drop(&mut self) {
        self.0.0.wanted.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A lease that this process holds.
#[derive(Debug)]
pub(crate) struct HeldLease {
    instance: Instance,
    is_counted: AtomicBool,
}

impl HeldLease {
    /// Whether this process holds more leases than its share.
    pub(crate) fn is_too_many(&self) -> bool {
        self.instance.0.held.load(Ordering::Relaxed) > self.instance.fair_share()
    }

    /// True when this process holds more leases than its share, so that the caller has to give this one back. The lease is
    /// not counted from then on: no more are given back than are too many.
    pub(crate) fn give_back_if_too_many(&self) -> bool {
        let share = self.instance.fair_share();
        let less = |held: usize| (held > share).then(|| held - 1);
        let is_too_many = self.instance.0.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        if is_too_many {
            self.is_counted.store(false, Ordering::Relaxed);
        }
        is_too_many
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.instance.0.held.fetch_sub(usize::from(self.is_counted.load(Ordering::Relaxed)), Ordering::Relaxed);
    }
}

/// Ends a session of this service that holds an instance's lock.
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
    fn an_instance_gives_back_what_is_above_its_share_and_no_more() {
        let instance = Instance::named("one");
        let wanted: Vec<_> = (0..5).map(|_| instance.want_lease()).collect();
        let leases: Vec<_> = (0..5).map(|_| instance.hold_lease()).collect();
        assert!(!leases.iter().any(HeldLease::give_back_if_too_many), "alone it keeps all");
        instance.0.running.store(2, Ordering::Relaxed);
        let given_back = leases.iter().filter(|lease| lease.give_back_if_too_many()).count();
        assert_eq!((given_back, instance.leases_held()), (2, 3));
        drop(leases);
        drop(wanted);
        assert_eq!((instance.leases_held(), instance.fair_share()), (0, 0));
    }
}
