//! The database: a pool, and the one way to write.

pub(crate) mod clock;
mod connect;
pub mod functions;
mod json;
mod prepared;
mod scope;
mod sqlstate;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{Object, Pool, QueueMode};
use diesel::IntoSql as _;
use diesel::sql_types::Integer;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl as _, TransactionManager};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::Notify;

pub use self::json::Json;
pub use self::prepared::{Prepare, Prepared};
pub use self::scope::wake_after_commit;
pub(crate) use self::scope::{
    FireAt, NewEvent, add_event, change_timer, keep_answer, known_time, last_sqlstate, resolve_alarms,
    resolve_alarms_now,
};
pub use self::sqlstate::SqlState;

use self::clock::Clock;
use self::connect::{Manager, Pooled};
use self::scope::{Flushed, Scope};
use crate::Refusal;

/// A connection, inside or outside a transaction.
pub type Conn = AsyncPgConnection;

/// The longest that a transaction or a read may take, as this process sees it: longer than the server's own limits, so
/// that its answer comes first if it still answers. Afterwards the socket is closed.
const DEADLINE: Duration = Duration::from_secs(10);

/// A timer that is due sooner than this wakes the task that fires timers.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// A task that a commit wakes. It carries no data: the task reads the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wakeup {
    /// The event log: events were written.
    EventLog,
    /// The task that fires timers: one is due soon.
    Timers,
    /// The payment reconciler: a payment has work.
    Payments,
}

/// One listener each. A wake-up while it is busy is kept: it runs once more.
#[derive(Debug, Default)]
struct Wakeups([Arc<Notify>; 3]);

impl Wakeups {
    fn of(&self, wakeup: Wakeup) -> &Arc<Notify> {
        &self.0[wakeup as usize]
    }
}

/// The pool and the runtime on which transactions run.
#[derive(Clone)]
pub struct Db {
    pool: Pool<Manager>,
    runtime: Handle,
    wakeups: Arc<Wakeups>,
    clock: Arc<Clock>,
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
    /// Nothing was written: the answer that this transaction was to keep is there already.
    AlreadyAnswered,
    /// The connection broke while committing: it may be in the database. Read back before answering.
    Unknown(anyhow::Error),
}

impl Db {
    /// A pool of at most `size` connections. Connects when first used, so a database that starts later is no failure.
    ///
    /// # Errors
    /// When the URL is none, or when called outside a runtime.
    pub fn new(url: &str, size: usize) -> anyhow::Result<Self> {
        let patience = Some(Duration::from_secs(2));
        let pool = Pool::builder(Manager::new(url)?)
            .max_size(size)
            // The one that was used last knows the statements: few connections stay warm, instead of all lukewarm.
            .queue_mode(QueueMode::Lifo)
            // Waiting longer than this helps nobody: the caller has given up by then.
            .wait_timeout(patience)
            .create_timeout(patience)
            .recycle_timeout(patience)
            .runtime(deadpool::Runtime::Tokio1)
            .build()?;
        Ok(Self { pool, runtime: Handle::try_current()?, wakeups: Arc::default(), clock: Arc::default() })
    }

    /// Notified after commits that called [`wake_after_commit`]. Each has one listener per process.
    #[must_use]
    pub fn wakeup(&self, of: Wakeup) -> Arc<Notify> {
        Arc::clone(self.wakeups.of(of))
    }

    /// What is known of the database's clock.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    async fn pooled(&self) -> Result<Object<Manager>, Refusal> {
        self.pool.get().await.map_err(|e| away(anyhow::Error::new(e)))
    }

    /// Whether the database answers a statement at all.
    ///
    /// # Errors
    /// `Away` when it does not.
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

    /// Reads, outside a transaction. Also the place for a single statement that writes: it commits by itself.
    ///
    /// # Errors
    /// What `body` refuses, or `Away` when no connection can be had or no answer comes.
    pub async fn read<T, F>(&self, body: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, Refusal>> + Send + 'static,
    {
        let db = self.clone();
        self.spawned(async move {
            let mut pooled = db.pooled().await?;
            let scope = Scope::of_read(Arc::clone(&pooled.last_error), Arc::clone(&db.clock));
            let done = tokio::time::timeout(DEADLINE, scope.run(body(&mut pooled.conn))).await;
            done.unwrap_or_else(|_| Err(give_up(pooled)))
        })
        .await
    }

    /// Runs `body` in one transaction, in a task of its own: an HTTP handler may be dropped at any await,
    /// and a transaction future must not be. Events, timers and the stored answer are written after it, in one statement.
    ///
    /// # Errors
    /// What `body` refuses: then nothing was written. [`Outcome::Unknown`] when the commit itself broke.
    pub async fn try_transaction<T, F>(&self, body: F) -> Result<Outcome<T>, Refusal>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, Refusal>> + Send + 'static,
    {
        let db = self.clone();
        self.spawned(async move {
            let mut pooled = db.begin().await?;
            let mut committing = false;
            let scope = Scope::of_transaction(Arc::clone(&pooled.last_error), Arc::clone(&db.clock));
            let work = scope.run(run(&mut pooled.conn, body, &mut committing));
            match tokio::time::timeout(DEADLINE, work).await {
                Ok(Ok((outcome, wakeups))) => {
                    wakeups.into_iter().for_each(|wakeup| db.wakeups.of(wakeup).notify_one());
                    Ok(outcome)
                }
                Ok(Err(refusal)) => Err(refusal),
                Err(_) if committing => Ok(Outcome::Unknown(no_answer(pooled))),
                Err(_) => Err(give_up(pooled)),
            }
        })
        .await
    }

    /// [`Self::try_transaction`] for callers that can simply do it again: message handlers, timers, tasks.
    /// Reloads and decides again when a concurrent update won.
    ///
    /// # Errors
    /// What `body` refuses; an unknown commit is `Away`.
    pub async fn transaction<T, F>(&self, body: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut Conn) -> BoxFuture<'c, Result<T, Refusal>> + Send + Sync + 'static,
    {
        let body = Arc::new(body);
        for _ in 0..RELOADS {
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

    /// A connection inside a new transaction. Connections that died unnoticed show here, and the next one is taken.
    async fn begin(&self) -> Result<Object<Manager>, Refusal> {
        let mut tries = self.pool.status().size + 1;
        loop {
            let mut pooled = self.pooled().await?;
            let began = tokio::time::timeout(DEADLINE, Transactions::begin_transaction(&mut pooled.conn)).await;
            tries -= 1;
            match began {
                Ok(Ok(())) => return Ok(pooled),
                Ok(Err(e)) if tries == 0 => {
                    drop(Object::take(pooled));
                    return Err(e.into());
                }
                Ok(Err(_)) => drop(Object::take(pooled)),
                Err(_) => return Err(give_up(pooled)),
            }
        }
    }

    async fn spawned<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        let span = tracing::Span::current();
        self.runtime
            .spawn(tracing::Instrument::instrument(work, span))
            .await
            .unwrap_or_else(|e| Err(Refusal::Bug(anyhow::Error::new(e).context("a transaction panicked"))))
    }
}

type Transactions = <Conn as AsyncConnection>::TransactionManager;

/// The body, then what it collected, then COMMIT. Every result is looked at: after a failed statement the server
/// answers COMMIT with a rollback and no error.
async fn run<T, F>(conn: &mut Conn, body: F, committing: &mut bool) -> Result<(Outcome<T>, BTreeSet<Wakeup>), Refusal>
where
    F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, Refusal>>,
{
    let written = match body(conn).await {
        Ok(value) => scope::flush(conn).await.map(|flushed| (value, flushed)),
        Err(refusal) => Err(refusal),
    };
    let (value, wakeups) = match written {
        Ok((value, (Flushed::Written, wakeups))) => (value, wakeups),
        Ok((_, (Flushed::AlreadyAnswered, _))) => {
            roll_back(conn).await;
            return Ok((Outcome::AlreadyAnswered, BTreeSet::new()));
        }
        Err(refusal) => {
            roll_back(conn).await;
            return Err(refusal);
        }
    };
    *committing = true;
    match Transactions::commit_transaction(conn).await {
        Ok(()) => Ok((Outcome::Committed(value), wakeups)),
        Err(e) => Ok((Outcome::Unknown(e.into()), wakeups)),
    }
}

async fn roll_back(conn: &mut Conn) {
    if let Err(e) = Transactions::rollback_transaction(conn).await {
        // The pool throws a connection away that is still inside a transaction.
        tracing::debug!(error = %e, "a transaction could not be rolled back; its connection is given up");
    }
}

/// How often a conflict is worth another look before the caller hears of it.
pub(crate) const RELOADS: usize = 5;

/// The server does not answer: the connection goes, with its socket.
fn give_up(pooled: Object<Manager>) -> Refusal {
    away(no_answer(pooled))
}

fn no_answer(pooled: Object<Manager>) -> anyhow::Error {
    let dropped: Pooled = Object::take(pooled);
    drop(dropped);
    anyhow::anyhow!("no answer from the database in {DEADLINE:?}")
}

fn away(source: anyhow::Error) -> Refusal {
    Refusal::Away { what: "the database", code: "database_away", source }
}
