//! Connections: how they are made, probed and closed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use diesel_async::pooled_connection::PoolableConnection as _;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{self, ChannelBinding, TlsConnect};
use tokio_postgres::{Client, Config, NoTls};

use super::sqlstate::{LastError, Tapped};
use crate::tls::{Tls, TlsStream};

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
pub(super) struct Manager {
    config: Config,
    /// Set if the URL asks for TLS.
    tls: Option<Tls>,
}

impl Manager {
    pub(super) fn new(url: &str, tls: &Tls) -> anyhow::Result<Self> {
        let (config, is_tls) = parse(url)?;
        Ok(Self { config, tls: is_tls.then(|| tls.clone()) })
    }

    async fn connect(&self) -> anyhow::Result<Pooled> {
        let last_error = Arc::new(LastError::default());
        let (client, driver) = open(&self.config, self.tls.as_ref(), &last_error).await?;
        let mut conn = AsyncPgConnection::try_from(client).await?;
        conn.batch_execute(SESSION).await.context("the session cannot be prepared")?;
        Ok(Pooled { conn, last_error, driver })
    }
}

/// A connection outside any pool, without the limits that a service sets for its sessions: for migrations. `tls` is used if
/// the URL asks for it.
///
/// # Errors
/// When the URL cannot be read, or the server cannot be reached, is refused or refuses.
pub async fn connect_once(url: &str, tls: &Tls) -> anyhow::Result<Conn> {
    let (config, is_tls) = parse(url)?;
    let (client, _) = open(&config, is_tls.then_some(tls), &Arc::default()).await?;
    Ok(AsyncPgConnection::try_from(client).await?)
}

/// Whether a database was reached and refused the login: the password, the user or the database is wrong, and trying again
/// does not help.
#[must_use]
pub fn is_login_refused(error: &anyhow::Error) -> bool {
    let code = error.chain().find_map(|cause| cause.downcast_ref::<tokio_postgres::Error>()?.code().cloned());
    // Invalid authorisation, and invalid catalog name: PostgreSQL's appendix A.
    code.is_some_and(|code| code.code().starts_with("28") || code.code() == "3D000")
}

/// Reads a database URL, and whether it asks for TLS. `require` verifies the server as `verify-full` does: TLS with a server
/// that could be anybody would protect nothing.
fn parse(url: &str) -> anyhow::Result<(Config, bool)> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (modes, rest): (Vec<_>, Vec<_>) =
        query.split('&').filter(|part| !part.is_empty()).partition(|part| part.starts_with("sslmode="));
    let mode = modes.last().and_then(|part| part.strip_prefix("sslmode="));
    let is_tls = match mode {
        None | Some("disable") => false,
        Some("require" | "verify-full") => true,
        Some(other) => anyhow::bail!(
            "the database URL has sslmode={other}: it is `disable`, or `require` or `verify-full`, which both verify \
             certificate and host name"
        ),
    };
    let without_mode = if rest.is_empty() { address.to_owned() } else { format!("{address}?{}", rest.join("&")) };
    let mut config: Config = without_mode.parse().context("the database URL cannot be read")?;
    // Settings that are no URL have their mode among the others.
    let is_tls = is_tls || config.get_ssl_mode() == SslMode::Require;
    // With `Prefer` a server, or whoever answers in its place, could talk us out of it.
    config.ssl_mode(if is_tls { SslMode::Require } else { SslMode::Disable });
    Ok((config, is_tls))
}

/// Opens a session and the task that drives it. `last_error` notes the error codes of the session.
async fn open(
    config: &Config,
    tls: Option<&Tls>,
    last_error: &Arc<LastError>,
) -> anyhow::Result<(Client, AbortHandle)> {
    let last_error = Arc::clone(last_error);
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let socket: Box<dyn Socket> = match (config.get_hosts().first().context("the database URL names no host")?, tls) {
        (Host::Tcp(host), Some(tls)) => {
            let upgrade = Upgrade { tls: tls.clone(), host: host.clone(), last_error };
            let (client, connection) = config.connect_raw(tcp(host, port).await?, upgrade).await?;
            return Ok((client, drive(connection)));
        }
        (Host::Tcp(host), None) => Box::new(tcp(host, port).await?),
        (Host::Unix(folder), None) => Box::new(UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await?),
        (Host::Unix(_), Some(_)) => anyhow::bail!("the database URL asks for TLS over a Unix socket, which has none"),
    };
    let (client, connection) = config.connect_raw(Tapped::new(socket, last_error), NoTls).await?;
    Ok((client, drive(connection)))
}

fn drive(connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static) -> AbortHandle {
    tokio::spawn(async move {
        // The client sees the same error.
        let _ = connection.await;
    })
    .abort_handle()
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let socket = TcpStream::connect((host, port)).await?;
    socket.set_nodelay(true)?;
    let options = socket2::SockRef::from(&socket);
    options.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))?;
    #[cfg(target_os = "linux")]
    options.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(socket)
}

/// Turns the socket into a TLS session when the server has agreed to it. Error codes are read from what is inside, so the tap
/// is put around the session.
struct Upgrade {
    tls: Tls,
    host: String,
    last_error: Arc<LastError>,
}

impl TlsConnect<TcpStream> for Upgrade {
    type Stream = Tapped<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Stream>>;

    fn connect(self, socket: TcpStream) -> Self::Future {
        async move { Ok(Tapped::new(self.tls.connect(&self.host, socket).await?, self.last_error)) }.boxed()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> tls::TlsStream for Tapped<S> {
    /// None: it would bind the password to the server's certificate, which is verified already.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_decides_about_tls() {
        for (query, expected) in [
            ("", false),
            ("?", false),
            ("?sslmode=disable", false),
            ("?sslmode=require", true),
            ("?application_name=x&sslmode=verify-full", true),
            ("?sslmode=verify-full&connect_timeout=3", true),
        ] {
            let (config, is_tls) = parse(&format!("postgres://app:s%40crt@db.example:5433/food{query}")).unwrap();
            assert_eq!(is_tls, expected, "{query}");
            assert_eq!((config.get_dbname(), config.get_ports()), (Some("food"), &[5433][..]), "{query}");
            let mode = if expected { SslMode::Require } else { SslMode::Disable };
            assert_eq!(config.get_ssl_mode(), mode, "{query}");
        }
        assert!(parse("host=db.example user=app sslmode=require").unwrap().1);
        for mode in ["prefer", "allow", "verify-ca", ""] {
            let error = parse(&format!("postgres://app@db.example/food?sslmode={mode}")).unwrap_err().to_string();
            assert!(error.contains(&format!("sslmode={mode}:")) && error.contains("verify-full"), "{error}");
        }
    }
}
