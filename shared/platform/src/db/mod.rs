//! The database: a pool of connections, reads, and transactions.

pub(crate) mod clock;
mod connect;
mod connections;
mod error;
pub mod functions;
mod json;
mod pending;
mod prepared;
mod scope;
mod sqlstate;
mod wakeup;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{Object, Pool, QueueMode};
use diesel::IntoSql as _;
use diesel::sql_types::Integer;
use diesel_async::{AsyncConnection, RunQueryDsl as _, TransactionManager};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::Notify;

pub use self::connect::{Conn, connect_once, is_login_refused};
pub use self::connections::Connections;
pub(crate) use self::error::away;
pub use self::json::Json;
pub(crate) use self::pending::{FireAt, NewAnswer, NewEvent, NewTimer, TimerKey};
pub use self::prepared::{Prepare, Prepared};
pub use self::scope::wake_after_commit;
pub(crate) use self::scope::{add_event, change_timer, known_time, resolve_alarms, resolve_alarms_now, store_answer};
pub use self::sqlstate::SqlState;
pub use self::wakeup::Wakeup;

use self::clock::Clock;
use self::connect::Manager;
use self::pending::Written;
use self::scope::Scope;
use self::wakeup::Wakeups;
use crate::Refusal;
use crate::telemetry::Metrics;
use crate::tls::Tls;

/// The longest that a transaction or a read may take. It is longer than the server's own limits, so the server's error
/// comes first while the server answers at all. Afterwards the connection is closed.
const DEADLINE: Duration = Duration::from_secs(10);

/// How often a transaction runs before its caller is told that concurrent updates won.
pub(crate) const MAX_RUNS: usize = 5;

/// A pool of connections, and the runtime that transactions run on. Clones share both.
#[derive(Clone)]
pub struct Db {
    pool: Pool<Manager>,
    runtime: Handle,
    wakeups: Arc<Wakeups>,
    clock: Arc<Clock>,
    metrics: Metrics,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Db({:?})", self.pool.status())
    }
}

/// How a transaction ended.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It is in the database.
    Committed(T),
    /// It was rolled back, because the answer that it was to store is there already.
    AlreadyAnswered,
    /// The connection broke during COMMIT: the transaction may be in the database. Read back before answering.
    Unknown(anyhow::Error),
}

impl Db {
    /// [`Self::with_tls`], which trusts the machine's CAs.
    ///
    /// # Errors
    /// As [`Self::with_tls`].
    pub fn new(url: &str, size: usize) -> anyhow::Result<Self> {
        Self::with_tls(url, size, &Tls::default())
    }

    /// A pool of at most `size` connections. It connects when it is first used, so the database may start later. `tls` is
    /// used if the URL asks for it: `sslmode=require` or `sslmode=verify-full`.
    ///
    /// # Errors
    /// When the URL cannot be read, or when called outside a tokio runtime.
    pub fn with_tls(url: &str, size: usize, tls: &Tls) -> anyhow::Result<Self> {
        let patience = Some(Duration::from_secs(2));
        let pool = Pool::builder(Manager::new(url, tls)?)
            .max_size(size)
            // The connection that was used last has its statements prepared and its caches warm.
            .queue_mode(QueueMode::Lifo)
            // A request that waits longer than this has no time left to be answered.
            .wait_timeout(patience)
            .create_timeout(patience)
            .recycle_timeout(patience)
            .runtime(deadpool::Runtime::Tokio1)
            .build()?;
        let runtime = Handle::try_current()?;
        Ok(Self { pool, runtime, wakeups: Arc::default(), clock: Arc::default(), metrics: Metrics::default() })
    }

    /// The same, measured by these meters.
    #[must_use]
    pub fn measured_by(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// The meters of the process: whatever has the database can count.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How the pool is used now.
    #[must_use]
    pub fn connections(&self) -> Connections {
        let status = self.pool.status();
        Connections {
            max: status.max_size,
            used: status.size.saturating_sub(status.available),
            idle: status.available,
            pending: status.waiting,
        }
    }

    /// Notified after commits that called [`wake_after_commit`]. Each has one listener per process.
    #[must_use]
    pub fn wakeup(&self, of: Wakeup) -> Arc<Notify> {
        Arc::clone(self.wakeups.of(of))
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether the database answers a statement at all.
    ///
    /// # Errors
    /// [`Refusal::Away`] when it does not.
    pub(crate) async fn ping(&self) -> Result<(), Refusal> {
        self.read(|conn| {
            async move {
                diesel::select(1.into_sql::<Integer>()).execute(conn).await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// Runs `body` outside a transaction: reads, or a single statement that writes and commits by itself.
    ///
    /// # Errors
    /// What `body` returns; [`Refusal::Away`] when there is no connection or no answer in time.
    pub async fn read<T, F>(&self, body: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, Refusal>> + Send + 'static,
    {
        let db = self.clone();
        self.in_own_task("read", async move {
            let mut pooled = db.connection().await?;
            let scope = Scope::of_read(Arc::clone(&pooled.last_error), Arc::clone(&db.clock));
            let done = tokio::time::timeout(DEADLINE, scope.run(body(&mut pooled.conn))).await;
            done.unwrap_or_else(|_| Err(away(no_answer(pooled))))
        })
        .await
    }

    /// Runs `body` in one transaction. What it collects (events, timers, resolved alarms, the stored answer) is written
    /// after it, in one statement. It runs in a task of its own: an HTTP handler may be dropped at any await, and a
    /// transaction must not be.
    ///
    /// # Errors
    /// What `body` returns, or the database refuses: then nothing was written.
    pub async fn try_transaction<T, F>(&self, body: F) -> Result<Outcome<T>, Refusal>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, Refusal>> + Send + 'static,
    {
        let db = self.clone();
        self.in_own_task("transaction", async move {
            let mut pooled = db.begin().await?;
            let mut is_committing = false;
            let scope = Scope::of_transaction(Arc::clone(&pooled.last_error), Arc::clone(&db.clock));
            let work = scope.run(run_and_commit(&mut pooled.conn, body, &mut is_committing));
            match tokio::time::timeout(DEADLINE, work).await {
                Ok(Ok((outcome, wakeups))) => {
                    wakeups.into_iter().for_each(|wakeup| db.wakeups.of(wakeup).notify_one());
                    Ok(outcome)
                }
                Ok(Err(refusal)) => Err(refusal),
                Err(_) if is_committing => Ok(Outcome::Unknown(no_answer(pooled))),
                Err(_) => Err(away(no_answer(pooled))),
            }
        })
        .await
    }

    /// [`Self::try_transaction`] for callers that can run again: message handlers, timers, tasks. `body` runs again, and
    /// has to load and decide again, when a concurrent update won.
    ///
    /// # Errors
    /// What `body` returns; [`Refusal::Away`] also when it is not known whether the commit happened.
    pub async fn transaction<T, F>(&self, body: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut Conn) -> BoxFuture<'c, Result<T, Refusal>> + Send + Sync + 'static,
    {
        let body = Arc::new(body);
        for _ in 0..MAX_RUNS {
            let body = Arc::clone(&body);
            match self.try_transaction(move |conn| body(conn)).await {
                Ok(Outcome::Committed(value)) => return Ok(value),
                Ok(Outcome::Unknown(source)) => return Err(away(source)),
                Ok(Outcome::AlreadyAnswered) | Err(Refusal::Conflict) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Err(Refusal::Conflict)
    }

    async fn connection(&self) -> Result<Object<Manager>, Refusal> {
        self.pool.get().await.map_err(|e| away(anyhow::Error::new(e)))
    }

    /// A connection inside a new transaction. A pooled connection that died unnoticed fails here, and the next is taken.
    async fn begin(&self) -> Result<Object<Manager>, Refusal> {
        let mut tries = self.pool.status().size + 1;
        loop {
            let mut pooled = self.connection().await?;
            let began = tokio::time::timeout(DEADLINE, Transactions::begin_transaction(&mut pooled.conn)).await;
            tries -= 1;
            match began {
                Ok(Ok(())) => return Ok(pooled),
                Ok(Err(e)) if tries == 0 => {
                    drop(Object::take(pooled));
                    return Err(e.into());
                }
                Ok(Err(_)) => drop(Object::take(pooled)),
                Err(_) => return Err(away(no_answer(pooled))),
            }
        }
    }

    async fn in_own_task<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        let span = tracing::debug_span!(
            "database",
            otel.name = operation,
            otel.kind = "client",
            db.system.name = "postgresql",
            db.operation.name = operation
        );
        // Logs of the work show the caller's span when this one is not wanted.
        let span = if span.is_disabled() { tracing::Span::current() } else { span };
        let began = Instant::now();
        let done = self
            .runtime
            .spawn(tracing::Instrument::instrument(work, span))
            .await
            .unwrap_or_else(|e| Err(Refusal::Bug(anyhow::Error::new(e).context("a transaction panicked"))));
        self.metrics.used_database(operation, began.elapsed());
        done
    }
}

type Transactions = <Conn as AsyncConnection>::TransactionManager;

/// The body, the statement with what it collected, then COMMIT. Every result is checked: after a failed statement the
/// server answers COMMIT with a rollback and without an error.
async fn run_and_commit<T, F>(
    conn: &mut Conn,
    body: F,
    is_committing: &mut bool,
) -> Result<(Outcome<T>, BTreeSet<Wakeup>), Refusal>
where
    F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, Refusal>>,
{
    let written = match body(conn).await {
        Ok(value) => scope::flush(conn).await.map(|flushed| (value, flushed)),
        Err(refusal) => Err(refusal),
    };
    let (value, wakeups) = match written {
        Ok((value, (Written::All, wakeups))) => (value, wakeups),
        Ok((_, (Written::AlreadyAnswered, _))) => {
            roll_back(conn).await;
            return Ok((Outcome::AlreadyAnswered, BTreeSet::new()));
        }
        Err(refusal) => {
            roll_back(conn).await;
            return Err(refusal);
        }
    };
    *is_committing = true;
    match Transactions::commit_transaction(conn).await {
        Ok(()) => Ok((Outcome::Committed(value), wakeups)),
        Err(e) => Ok((Outcome::Unknown(e.into()), wakeups)),
    }
}

async fn roll_back(conn: &mut Conn) {
    if let Err(e) = Transactions::rollback_transaction(conn).await {
        // The pool does not use a connection again that is inside a transaction.
        tracing::debug!(error = %e, "a transaction could not be rolled back; its connection is dropped");
    }
}

/// Closes a connection whose server does not answer.
fn no_answer(pooled: Object<Manager>) -> anyhow::Error {
    drop(Object::take(pooled));
    anyhow::anyhow!("no answer from the database in {DEADLINE:?}")
}
