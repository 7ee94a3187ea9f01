//! Reading and writing HTTP/1.1 on one connection.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::chunked::Chunks;
use super::message::Answer;

/// A request's answer, and whether its connection may be used again.
pub struct Exchange {
    /// The whole answer.
    pub answer: Answer,
    /// Whether the connection may be used again.
    pub keep_alive: bool,
}

/// One TCP connection.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    /// Bytes that were read and not consumed.
    pub buffer: Vec<u8>,
}

/// The parts of a response head that matter here.
pub struct Head {
    pub status: u16,
    length: Option<usize>,
    is_chunked: bool,
    keep_alive: bool,
}

impl Connection {
    /// Connects to `host:port`.
    pub async fn open(host: &str) -> Result<Self> {
        let socket = TcpStream::connect(host).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: Vec::with_capacity(4096) })
    }

    /// Sends bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.socket.write_all(bytes).await
    }

    /// Sends a request and reads the whole answer.
    pub async fn exchange(&mut self, bytes: &[u8]) -> Result<Exchange> {
        self.write(bytes).await?;
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
        // Bytes after the last chunk are not consumed, so such a connection is not used again.
        Ok(Exchange { answer: Answer { status: head.status, body }, keep_alive: head.keep_alive && !head.is_chunked })
    }

    /// Reads a response head.
    pub async fn head(&mut self) -> Result<Head> {
        let mut searched = 0;
        let end = loop {
            if let Some(at) = self.buffer[searched..].windows(4).position(|four| four == b"\r\n\r\n") {
                break searched + at + 4;
            }
            searched = self.buffer.len().saturating_sub(3);
            self.more().await?;
        };
        let head = parse_head(&self.buffer[..end]);
        self.buffer.drain(..end);
        head.ok_or_else(|| Error::new(ErrorKind::InvalidData, "the answer is not HTTP/1.1"))
    }

    /// Reads more bytes into the buffer.
    pub async fn more(&mut self) -> Result<()> {
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
    let mut head = Head { status, length: None, is_chunked: false, keep_alive: true };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            head.length = value.parse().ok();
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.is_chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            head.keep_alive = !value.eq_ignore_ascii_case("close");
        }
    }
    Some(head)
}
