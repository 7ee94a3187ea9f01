//! Redis, and one connection to it that all callers share. It is opened by the first command, and again after it has failed.

use pannier_platform::Tls;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _, RedisResult};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::connection::TIMEOUT;

pub(super) struct RedisServer {
    address: ConnectionInfo,
    /// Set if the URL asks for TLS.
    tls: Option<Tls>,
    /// `None` before the first command, and after one that failed. Whoever opens it holds the lock meanwhile.
    open: Mutex<Option<Open>>,
}

struct Open {
    connection: MultiplexedConnection,
    /// The task that reads and writes. It is aborted with this value.
    _driver: JoinSet<()>,
}

impl RedisServer {
    /// # Errors
    /// When the URL is not valid.
    pub(super) fn new(url: &str, tls: &Tls) -> anyhow::Result<Self> {
        let is_tls = url.starts_with("rediss://") || url.starts_with("valkeys://");
        // The library is built without TLS and knows the plain schemes only: `redis://`, `valkey://`.
        let plain = if is_tls { url.replacen("s://", "://", 1) } else { url.to_owned() };
        let address = plain.into_connection_info()?;
        Ok(Self { address, tls: is_tls.then(|| tls.clone()), open: Mutex::default() })
    }

    /// The shared connection.
    ///
    /// # Errors
    /// When it is not open and cannot be opened.
    pub(super) async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let mut shared = self.open.lock().await;
        if let Some(open) = &*shared {
            return Ok(open.connection.clone());
        }
        let open = self.connect().await?;
        let connection = open.connection.clone();
        *shared = Some(open);
        Ok(connection)
    }

    /// Closes the connection, so that the next command opens a new one.
    pub(super) fn close(&self) {
        // Somebody who has the lock is opening a new one already.
        if let Ok(mut open) = self.open.try_lock() {
            *open = None;
        }
    }

    async fn connect(&self) -> RedisResult<Open> {
        match (self.address.addr(), &self.tls) {
            (ConnectionAddr::Tcp(host, port), tls) => {
                let socket = TcpStream::connect((host.as_str(), *port)).await?;
                socket.set_nodelay(true)?;
                match tls {
                    Some(tls) => self.begin(tls.connect(host, socket).await?).await,
                    None => self.begin(socket).await,
                }
            }
            (ConnectionAddr::Unix(path), None) => self.begin(UnixStream::connect(path).await?).await,
            _ => Err((ErrorKind::InvalidClientConfig, "redis_url has an address that is not supported").into()),
        }
    }

    async fn begin<S>(&self, socket: S) -> RedisResult<Open>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(TIMEOUT));
        let login = self.address.redis_settings();
        let (connection, driving) = MultiplexedConnection::new_with_config(login, socket, config).await?;
        let mut driver = JoinSet::new();
        driver.spawn(driving);
        Ok(Open { connection, _driver: driver })
    }
}
