//! A client of one service, with a pool of connections, retries and event streams.

use std::io::{Error, ErrorKind, Result};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::{Instant, timeout};

use super::chunked::Chunks;
use super::connection::{Connection, Exchange};
use super::message::{Answer, Request};
use pannier_client::sse::{Event, Parser};

/// The services answer or refuse within 5 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A call is retried for this time when there is no answer or a 5xx.
const PATIENCE: Duration = Duration::from_secs(30);
/// Delays between attempts.
const RETRY_DELAYS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(50))
    .with_max_delay(Duration::from_secs(2))
    .without_max_times();
/// The services close a connection that was idle for 5 s.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// The platform sends a comment every 15 s; a stream without any bytes for this time is dead.
const READ_TIMEOUT: Duration = Duration::from_secs(40);

/// Calls one service. All callers share its connections.
#[derive(Debug)]
pub struct Client {
    host: String,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

impl Client {
    /// A client of `http://host:port`, which connects when it sends.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { host, idle: Mutex::default() }
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// No answer within 10 s, or not an HTTP answer.
    pub async fn send(&self, request: &Request<'_>) -> Result<Answer> {
        let bytes = request.bytes(&self.host);
        timeout(ANSWER_WITHIN, self.exchange(&bytes)).await.map_err(|_| Error::from(ErrorKind::TimedOut))?
    }

    /// Sends until there is an answer that a retry cannot change. The request needs an Idempotency-Key to take effect once.
    ///
    /// # Errors
    /// No answer for 30 s.
    pub async fn send_with_retries(&self, request: &Request<'_>) -> Result<Answer> {
        let deadline = Instant::now() + PATIENCE;
        let mut delays = RETRY_DELAYS.build();
        loop {
            let answer = self.send(request).await;
            let is_final = answer.as_ref().is_ok_and(|answer| !answer.is_transient());
            let next = delays.next().map(|delay| Instant::now() + delay).filter(|next| *next <= deadline);
            match next {
                Some(next) if !is_final => tokio::time::sleep_until(next).await,
                _ => return answer,
            }
        }
    }

    /// Opens an event stream on a connection of its own.
    ///
    /// # Errors
    /// No answer within 10 s, or not a 200.
    pub async fn stream(&self, path: &str, token: &str) -> Result<Stream> {
        let request = Request { method: "GET", path, token, is_stream: true, ..Request::default() };
        let mut connection = Connection::open(&self.host).await?;
        connection.write(&request.bytes(&self.host)).await?;
        let head = timeout(ANSWER_WITHIN, connection.head()).await.map_err(|_| Error::from(ErrorKind::TimedOut))??;
        if head.status != 200 {
            return Err(Error::other(format!("the stream {path} was answered with {}", head.status)));
        }
        Ok(Stream { connection, chunks: Chunks::default(), parser: Parser::default(), waiting: Vec::new() })
    }

    async fn exchange(&self, bytes: &[u8]) -> Result<Answer> {
        if let Some(mut kept) = self.take_idle() {
            match kept.exchange(bytes).await {
                Ok(exchange) => return Ok(self.finish(kept, exchange)),
                // The service closed it before it read the request.
                Err(_) if kept.buffer.is_empty() => {}
                Err(e) => return Err(e),
            }
        }
        let mut fresh = Connection::open(&self.host).await?;
        let exchange = fresh.exchange(bytes).await?;
        Ok(self.finish(fresh, exchange))
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, since) = idle.pop()?;
        if since.elapsed() < IDLE_MAX {
            return Some(connection);
        }
        // The most recently used one is too old, so all are.
        idle.clear();
        None
    }

    fn finish(&self, mut connection: Connection, exchange: Exchange) -> Answer {
        if exchange.keep_alive {
            connection.buffer.clear();
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((connection, Instant::now()));
        }
        exchange.answer
    }
}

/// An open event stream.
#[derive(Debug)]
pub struct Stream {
    connection: Connection,
    chunks: Chunks,
    parser: Parser,
    /// Parsed events, the next one last.
    waiting: Vec<Event>,
}

impl Stream {
    /// The next event; none when the service closed the stream.
    ///
    /// # Errors
    /// The connection broke, or was silent for 40 s.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.waiting.pop() {
                return Ok(Some(event));
            }
            let mut data = Vec::new();
            self.chunks.push(&self.connection.buffer, &mut data);
            self.connection.buffer.clear();
            if !data.is_empty() {
                self.waiting = self.parser.push(&data);
                self.waiting.reverse();
            } else if self.chunks.is_over() {
                return Ok(None);
            } else {
                let more = timeout(READ_TIMEOUT, self.connection.more()).await;
                more.map_err(|_| Error::from(ErrorKind::TimedOut))??;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers the requests of each connection with these texts, then closes it.
    async fn server(connections: Vec<Vec<&'static str>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(async move {
            for answers in connections {
                let (mut socket, _) = listener.accept().await.expect("a client");
                for answer in answers {
                    let mut request = [0; 4096];
                    let _ = socket.read(&mut request).await.expect("a request");
                    socket.write_all(answer.as_bytes()).await.expect("a reader");
                }
            }
        });
        url
    }

    fn get() -> Request<'static> {
        Request { method: "GET", path: "/", token: "t", ..Request::default() }
    }

    #[tokio::test]
    async fn a_connection_is_reused_and_a_closed_one_replaced() {
        let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let client = Client::new(&server(vec![vec![ok, ok], vec![ok]]).await);
        for _ in 0..3 {
            let answer = client.send(&get()).await.expect("an answer");
            assert_eq!((answer.status, answer.body.as_slice()), (200, &b"{}"[..]));
        }
    }

    #[tokio::test]
    async fn a_transient_failure_is_retried() {
        let busy = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
        let ok = "HTTP/1.1 409 Conflict\r\ncontent-length: 17\r\n\r\n{\"code\":\"closed\"}";
        let client = Client::new(&server(vec![vec![busy, ok]]).await);
        let answer = client.send_with_retries(&get()).await.expect("an answer");
        assert_eq!(answer.problem(), "409 closed");
    }

    #[tokio::test]
    async fn events_are_read_from_chunks() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let events = "8\r\ndata: 1\n\r\n9\r\n\ndata: 2\n\r\n1\r\n\n\r\n0\r\n\r\n";
        let all: &'static str = Box::leak(format!("{head}{events}").into_boxed_str());
        let client = Client::new(&server(vec![vec![all]]).await);
        let mut stream = client.stream("/", "t").await.expect("a stream");
        let mut seen = Vec::new();
        while let Some(event) = stream.next().await.expect("unbroken") {
            seen.push(event.data);
        }
        assert_eq!(seen, ["1", "2"]);
    }
}
