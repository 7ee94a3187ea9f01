//! Connections: how they are made, probed and closed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use diesel_async::pooled_connection::PoolableConnection as _;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;
use tokio_postgres::config::Host;
use tokio_postgres::{Config, NoTls};

use super::sqlstate::{LastError, Tapped};

/// A connection, inside or outside a transaction.
pub type Conn = AsyncPgConnection;

/// The settings of every connection. No statement, lock or idle transaction lasts without end, and the session of a machine
/// that vanished ends with its locks. Prepared statements are planned once, by index and row by row: all of ours find few
/// rows. A plan made while a table was empty, or without knowing how small a `LIMIT` is, must not read all of it (ADR 0028).
/// The remaining scans look expensive to the planner, which must not make it compile them (`jit`).
const SESSION: &str = "SET statement_timeout = '5s'; SET lock_timeout = '2s'; \
                       SET idle_in_transaction_session_timeout = '10s'; SET TIME ZONE 'UTC'; \
                       SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
                       SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; \
                       SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 2";

/// How long a connection is silent before it is probed, and between two probes.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// How long sent bytes may stay unacknowledged before the connection is closed.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// Why no connection could be made.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub(super) struct NoConnection(anyhow::Error);

/// Makes and checks connections for the pool.
#[derive(Debug)]
pub(super) struct Manager(Config);

impl Manager {
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        Ok(Self(url.parse().context("the database URL cannot be read")?))
    }

    async fn connect(&self) -> anyhow::Result<Pooled> {
        let last_error = Arc::new(LastError::default());
        let socket = Tapped::new(self.socket().await?, Arc::clone(&last_error));
        let (client, connection) = self.0.connect_raw(socket, NoTls).await?;
        let driver = tokio::spawn(async move {
            // The client sees the same error.
            let _ = connection.await;
        })
        .abort_handle();
        let mut conn = AsyncPgConnection::try_from(client).await?;
        conn.batch_execute(SESSION).await.context("the session cannot be prepared")?;
        Ok(Pooled { conn, last_error, driver })
    }

    async fn socket(&self) -> anyhow::Result<Box<dyn Socket>> {
        let port = self.0.get_ports().first().copied().unwrap_or(5432);
        match self.0.get_hosts().first().context("the database URL names no host")? {
            Host::Unix(folder) => Ok(Box::new(UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await?)),
            Host::Tcp(host) => {
                let socket = TcpStream::connect((host.as_str(), port)).await?;
                socket.set_nodelay(true)?;
                let options = socket2::SockRef::from(&socket);
                options
                    .set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))?;
                #[cfg(target_os = "linux")]
                options.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
                Ok(Box::new(socket))
            }
        }
    }
}

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

/// A connection of the pool. Dropping it closes its socket at once, also when the server does not answer. Neither a
/// terminate message nor a cancel request is sent: the latter could overtake a COMMIT.
pub(super) struct Pooled {
    pub(super) conn: Conn,
    pub(super) last_error: Arc<LastError>,
    driver: AbortHandle,
}

impl Drop for Pooled {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl managed::Manager for Manager {
    type Type = Pooled;
    type Error = NoConnection;

    async fn create(&self) -> Result<Pooled, NoConnection> {
        self.connect().await.map_err(NoConnection)
    }

    /// Without a round trip: refuses a connection whose socket is closed or whose transaction was left open. One that died
    /// unnoticed fails at BEGIN, and then another one is taken.
    async fn recycle(&self, pooled: &mut Pooled, _: &Metrics) -> RecycleResult<NoConnection> {
        if pooled.conn.is_broken() {
            return Err(RecycleError::message("the connection is closed, or was left inside a transaction"));
        }
        Ok(())
    }
}
