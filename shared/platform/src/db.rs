//! The database: a pool, and the one way to write.

use std::sync::Arc;
use std::time::Duration;

use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::Refusal;

/// A connection, inside or outside a transaction.
pub type Conn = AsyncPgConnection;

/// Every connection gets these: nothing waits for ever, and nobody keeps a transaction open.
const SESSION: &str = "SET statement_timeout = '5s'; SET lock_timeout = '2s'; \
                       SET idle_in_transaction_session_timeout = '10s'; SET TIME ZONE 'UTC'";

/// The pool and the runtime on which transactions run.
#[derive(Clone)]
pub struct Db {
    pool: Pool<Conn>,
    runtime: Handle,
    committed: Arc<Notify>,
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
    /// The connection broke while committing: it may be in the database. Read back before answering.
    Unknown(anyhow::Error),
}

impl Db {
    /// A pool of at most `size` connections. Connects when first used, so a database that starts later is no failure.
    ///
    /// # Errors
    /// When called outside a runtime.
    pub fn new(url: &str, size: usize) -> anyhow::Result<Self> {
        let mut config = ManagerConfig::default();
        config.custom_setup = Box::new(|url| {
            async move {
                let mut conn = AsyncPgConnection::establish(url).await?;
                conn.batch_execute(SESSION)
                    .await
                    .map_err(|e| diesel::ConnectionError::BadConnection(format!("cannot prepare the session: {e}")))?;
                Ok(conn)
            }
            .boxed()
        });
        let pool = Pool::builder(AsyncDieselConnectionManager::new_with_config(url, config))
            .max_size(size)
            // Waiting longer than this helps nobody: the caller has given up by then.
            .wait_timeout(Some(Duration::from_secs(2)))
            .create_timeout(Some(Duration::from_secs(2)))
            .recycle_timeout(Some(Duration::from_secs(2)))
            .runtime(deadpool::Runtime::Tokio1)
            .build()?;
        Ok(Self { pool, runtime: Handle::try_current()?, committed: Arc::new(Notify::new()) })
    }

    /// Rings after every commit of this process. A nudge, not news: look at the tables.
    #[must_use]
    pub fn committed(&self) -> Arc<Notify> {
        Arc::clone(&self.committed)
    }

    async fn conn(&self) -> Result<Object<Conn>, Refusal> {
        self.pool.get().await.map_err(|e| Refusal::Away {
            what: "the database",
            code: "database_away",
            source: anyhow::Error::new(e),
        })
    }

    /// Reads, outside a transaction.
    ///
    /// # Errors
    /// What `body` refuses, or `Away` when no connection can be had.
    pub async fn read<T, F>(&self, body: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, Refusal>> + Send + 'static,
    {
        let db = self.clone();
        self.spawned(async move { body(&mut *db.conn().await?).await }).await
    }

    /// Runs `body` in one transaction, in a task of its own: an HTTP handler may be dropped at any await,
    /// and a transaction future must not be.
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
            let mut conn = db.conn().await?;
            let mut decided = false;
            let seen = &mut decided;
            let result = conn
                .transaction::<T, Failed, _>(async move |conn| {
                    let value = body(conn).await.map_err(Failed::Refused)?;
                    *seen = true;
                    Ok(value)
                })
                .await;
            match result {
                Ok(value) => {
                    db.committed.notify_waiters();
                    Ok(Outcome::Committed(value))
                }
                Err(Failed::Refused(refusal)) => Err(refusal),
                // The body was done, so this is COMMIT's own error.
                Err(Failed::Database(e)) if decided => Ok(Outcome::Unknown(e.into())),
                Err(Failed::Database(e)) => Err(e.into()),
            }
        })
        .await
    }

    /// [`Self::try_transaction`] for callers that can simply do it again: message handlers, timers, tasks.
    /// Reloads and decides again when somebody else was faster.
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
                Ok(Outcome::Unknown(source)) => {
                    return Err(Refusal::Away { what: "the database", code: "database_away", source });
                }
                Err(Refusal::Conflict) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Err(Refusal::Conflict)
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

/// How often a conflict is worth another look before the caller hears of it.
pub(crate) const RELOADS: usize = 5;

enum Failed {
    Refused(Refusal),
    Database(diesel::result::Error),
}

impl From<diesel::result::Error> for Failed {
    fn from(e: diesel::result::Error) -> Self {
        Self::Database(e)
    }
}
