//! AMQP over TLS. The session is opened here, with the certificates that everything else uses, and handed to lapin.
//!
//! lapin's own TLS adds our CAs to the machine's instead of replacing them, and needs twenty crates more (PKCS #12).

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures::Stream;
use futures::io::{AsyncRead, AsyncWrite};
use lapin::uri::AMQPUri;
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use super::with_deadline;
use crate::tls::{Tls, TlsStream};

type Session = Compat<TlsStream<TcpStream>>;

/// Connects to an `amqps://` URL.
///
/// # Errors
/// When the broker cannot be reached in time, is refused or refuses.
pub(super) async fn connect(url: AMQPUri, properties: ConnectionProperties, tls: &Tls) -> anyhow::Result<Connection> {
    let session = with_deadline("connect to the broker", open(&url, tls)).await?;
    // Handed over once: a lost connection is replaced by a new one, and never by lapin.
    let session = Mutex::new(Some(session));
    let connect = async move |_: AMQPUri, _: Runtime<RuntimeParts<Tokio, Sockets>>| {
        let session = session.lock().unwrap_or_else(PoisonError::into_inner).take();
        session.map(AsyncTcpStream::Plain).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into())
    };
    let runtime = Runtime::new(RuntimeParts::new(Tokio::current(), Sockets(Tokio::current())));
    with_deadline("connect to the broker", Connection::connector(url, runtime, connect, properties)).await
}

async fn open(url: &AMQPUri, tls: &Tls) -> io::Result<Session> {
    let (host, port) = (url.authority.host.as_str(), url.authority.port);
    let socket = TcpStream::connect((host, port)).await?;
    socket.set_nodelay(true)?;
    Ok(tls.connect(host, socket).await?.compat())
}

/// The part of lapin's runtime that knows the type of its sockets. Everything else is tokio's.
#[derive(Clone, Debug)]
struct Sockets(Tokio);

impl Reactor for Sockets {
    type TcpStream = Session;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    /// Not called: [`connect`] has connected.
    fn tcp_connect_addr(&self, _: SocketAddr) -> impl Future<Output = io::Result<Session>> + Send + 'static {
        std::future::ready(Err(io::Error::from(io::ErrorKind::Unsupported)))
    }
}
