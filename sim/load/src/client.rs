//! A lean HTTP/1.1 client: one write per request, connections kept open, bodies as bytes. A benchmark's clients share
//! the machine with what they measure, so a request should cost them microseconds.

use std::io::{Error, ErrorKind, Result};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::chunked::Chunks;
use pannier_client::sse::{Event, Parser};

/// The services answer within 5 s or refuse; longer means that nobody is there.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A call is tried again for so long when nobody answers, or with a 5xx.
const PATIENCE: Duration = Duration::from_secs(30);
/// The services close a connection that was idle for 5 s.
const IDLE_MOST: Duration = Duration::from_secs(4);
/// The platform sends a comment every 15 s; a stream silent for longer than this is dead.
const SILENCE: Duration = Duration::from_secs(40);

/// One request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// `GET`, `POST`.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Bearer token.
    pub token: &'a str,
    /// `Idempotency-Key`.
    pub key: Option<&'a str>,
    /// `If-Match`.
    pub if_match: Option<i64>,
    /// `Prefer: wait=`, seconds.
    pub prefer_wait: Option<u32>,
    /// `Accept: text/event-stream`.
    pub is_stream: bool,
    /// JSON; none sends no body.
    pub body: Option<&'a str>,
}

impl Request<'_> {
    fn bytes(&self, host: &str) -> Vec<u8> {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(512 + self.body.map_or(0, str::len));
        let Self { method, path, token, .. } = self;
        let _ = write!(text, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n");
        if let Some(key) = self.key {
            let _ = write!(text, "Idempotency-Key: {key}\r\n");
        }
        if let Some(version) = self.if_match {
            let _ = write!(text, "If-Match: {version}\r\n");
        }
        if let Some(seconds) = self.prefer_wait {
            let _ = write!(text, "Prefer: wait={seconds}\r\n");
        }
        if self.is_stream {
            text.push_str("Accept: text/event-stream\r\n");
        }
        if let Some(body) = self.body {
            let _ = write!(text, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        } else {
            text.push_str("\r\n");
        }
        text.into_bytes()
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// Reads the fields that `T` names out of the body.
    ///
    /// # Errors
    /// When the body is another JSON, or none.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(Error::other)
    }

    /// Status and problem code, for the list of troubles.
    #[must_use]
    pub fn problem(&self) -> String {
        #[derive(Deserialize)]
        struct Problem {
            code: String,
        }
        let code = self.read::<Problem>().map_or_else(|_| "without a code".to_owned(), |p| p.code);
        format!("{} {code}", self.status)
    }

    /// Worth another try under the same key.
    fn is_passing(&self) -> bool {
        self.status >= 500
            || (self.status == 409 && self.read::<serde_json::Value>().is_ok_and(|b| b["code"] == "in_flight"))
    }
}

/// One service, seen from its clients. Connections are shared by all who call it.
#[derive(Debug)]
pub struct Client {
    host: String,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

impl Client {
    /// A client of `http://host:port`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { host, idle: Mutex::default() }
    }

    /// Sends once.
    ///
    /// # Errors
    /// Nobody answered, or no HTTP.
    pub async fn send(&self, request: &Request<'_>) -> Result<Answer> {
        let bytes = request.bytes(&self.host);
        timeout(ANSWER_WITHIN, self.exchange(&bytes)).await.map_err(|_| Error::from(ErrorKind::TimedOut))?
    }

    /// Sends until there is an answer other than 5xx: the same key makes it one action.
    ///
    /// # Errors
    /// No such answer in 30 s.
    pub async fn insist(&self, request: &Request<'_>) -> Result<Answer> {
        let until = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(50);
        loop {
            let tried = self.send(request).await;
            if let Ok(answer) = &tried
                && !answer.is_passing()
            {
                return tried;
            }
            if Instant::now() + pause > until {
                return tried;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// Opens a stream of events, on a connection of its own.
    ///
    /// # Errors
    /// Nobody answered, or refused.
    pub async fn stream(&self, path: &str, token: &str) -> Result<Stream> {
        let request = Request { method: "GET", path, token, is_stream: true, ..Request::default() };
        let mut connection = self.open().await?;
        let bytes = request.bytes(&self.host);
        connection.socket.write_all(&bytes).await?;
        let head = timeout(ANSWER_WITHIN, connection.head()).await.map_err(|_| Error::from(ErrorKind::TimedOut))??;
        if head.status != 200 {
            return Err(Error::other(format!("the stream {path} was answered with {}", head.status)));
        }
        Ok(Stream { connection, chunks: Chunks::default(), parser: Parser::default(), waiting: Vec::new() })
    }

    async fn exchange(&self, bytes: &[u8]) -> Result<Answer> {
        if let Some(mut kept) = self.take_idle() {
            match kept.exchange(bytes).await {
                Ok((answer, keep)) => {
                    self.keep(kept, keep);
                    return Ok(answer);
                }
                // The service closed it in this moment.
                Err(_) if kept.buffer.is_empty() => {}
                Err(e) => return Err(e),
            }
        }
        let mut fresh = self.open().await?;
        let (answer, keep) = fresh.exchange(bytes).await?;
        self.keep(fresh, keep);
        Ok(answer)
    }

    async fn open(&self) -> Result<Connection> {
        let socket = TcpStream::connect(&self.host).await?;
        socket.set_nodelay(true)?;
        Ok(Connection { socket, buffer: Vec::with_capacity(4096) })
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, since) = idle.pop()?;
        if since.elapsed() < IDLE_MOST {
            return Some(connection);
        }
        // The last one in is the youngest: the others are older still.
        idle.clear();
        None
    }

    fn keep(&self, mut connection: Connection, keep: bool) {
        if keep {
            connection.buffer.clear();
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((connection, Instant::now()));
        }
    }
}

#[derive(Debug)]
struct Connection {
    socket: TcpStream,
    /// What was read and not used.
    buffer: Vec<u8>,
}

struct Head {
    status: u16,
    length: Option<usize>,
    is_chunked: bool,
    keep: bool,
}

impl Connection {
    async fn exchange(&mut self, bytes: &[u8]) -> Result<(Answer, bool)> {
        self.socket.write_all(bytes).await?;
        let head = self.head().await?;
        let body = match head.length {
            Some(length) => {
                while self.buffer.len() < length {
                    self.more().await?;
                }
                self.buffer.drain(..length).collect()
            }
            None if head.is_chunked => {
                let (mut chunks, mut body) = (Chunks::default(), Vec::new());
                loop {
                    chunks.push(&self.buffer, &mut body);
                    self.buffer.clear();
                    if chunks.is_over() {
                        break body;
                    }
                    self.more().await?;
                }
            }
            None => Vec::new(),
        };
        // What follows the last chunk is not looked at, so such a connection is not used again.
        Ok((Answer { status: head.status, body }, head.keep && !head.is_chunked))
    }

    async fn head(&mut self) -> Result<Head> {
        let mut looked = 0;
        let end = loop {
            if let Some(at) = self.buffer[looked..].windows(4).position(|four| four == b"\r\n\r\n") {
                break looked + at + 4;
            }
            looked = self.buffer.len().saturating_sub(3);
            self.more().await?;
        };
        let head = parse_head(&self.buffer[..end]);
        self.buffer.drain(..end);
        head.ok_or_else(|| Error::new(ErrorKind::InvalidData, "the answer is no HTTP"))
    }

    async fn more(&mut self) -> Result<()> {
        match self.socket.read_buf(&mut self.buffer).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn parse_head(bytes: &[u8]) -> Option<Head> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut head = Head { status, length: None, is_chunked: false, keep: true };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            head.length = value.parse().ok();
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.is_chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            head.keep = !value.eq_ignore_ascii_case("close");
        }
    }
    Some(head)
}

/// A stream of events.
#[derive(Debug)]
pub struct Stream {
    connection: Connection,
    chunks: Chunks,
    parser: Parser,
    /// Events that came together, the next one last.
    waiting: Vec<Event>,
}

impl Stream {
    /// The next event; none when the service ended the stream.
    ///
    /// # Errors
    /// The connection broke, or was silent for too long.
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
                let more = timeout(SILENCE, self.connection.more()).await;
                more.map_err(|_| Error::from(ErrorKind::TimedOut))??;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Answers each connection with these texts, one per request, and closes it.
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
    async fn a_connection_is_used_again_and_a_closed_one_replaced() {
        let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let client = Client::new(&server(vec![vec![ok, ok], vec![ok]]).await);
        for _ in 0..3 {
            let answer = client.send(&get()).await.expect("an answer");
            assert_eq!((answer.status, answer.body.as_slice()), (200, &b"{}"[..]));
        }
    }

    #[tokio::test]
    async fn a_passing_failure_is_tried_again() {
        let busy = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
        let ok = "HTTP/1.1 409 Conflict\r\ncontent-length: 17\r\n\r\n{\"code\":\"closed\"}";
        let client = Client::new(&server(vec![vec![busy, ok]]).await);
        let answer = client.insist(&get()).await.expect("an answer");
        assert_eq!(answer.problem(), "409 closed");
    }

    #[tokio::test]
    async fn events_are_read_out_of_chunks() {
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
