//! The SQLSTATE of the last error on a connection.
//!
//! diesel keeps an error's message and drops its code. Messages are in the server's language; only codes tell an outage from
//! a bug. So the code is read from the bytes that the server sends.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// PostgreSQL's error code: five characters, such as `40P01`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// `deadlock_detected`.
    pub const DEADLOCK: Self = Self(*b"40P01");
    /// `serialization_failure`.
    pub const SERIALIZATION_FAILURE: Self = Self(*b"40001");
    /// `lock_not_available`: waiting for a lock took longer than `lock_timeout`.
    pub const LOCK_TIMEOUT: Self = Self(*b"55P03");

    /// The first two characters, by which PostgreSQL groups its codes.
    #[must_use]
    pub fn class(&self) -> &str {
        std::str::from_utf8(&self.0[..2]).unwrap_or("??")
    }

    /// Whether the server is busy, restarting, full or read-only, rather than the statement wrong.
    ///
    /// 08 connection, 25 transaction state (read-only server, idle timeout), 53 resources (disk, memory, connections),
    /// 55 object not available (lock timeout), 57 operator intervention (statement timeout, shutdown, recovery).
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self.class(), "08" | "25" | "53" | "55" | "57")
    }

    /// Whether two transactions collided, so that running one of them again helps (class 40).
    #[must_use]
    pub fn is_rollback(&self) -> bool {
        self.class() == "40"
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SQLSTATE {}", std::str::from_utf8(&self.0).unwrap_or("?????"))
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The newest SQLSTATE of a connection; 0 before the first.
#[derive(Debug, Default)]
pub(super) struct LastError(AtomicU64);

impl LastError {
    fn note(&self, state: SqlState) {
        let packed = state.0.iter().fold(0_u64, |n, byte| (n << 8) | u64::from(*byte));
        self.0.store(packed, Ordering::Release);
    }

    pub(super) fn get(&self) -> Option<SqlState> {
        let packed = self.0.load(Ordering::Acquire);
        let bytes = packed.to_be_bytes();
        (packed != 0).then(|| SqlState([bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]))
    }
}

/// A socket to a PostgreSQL server that notes the SQLSTATE of every `ErrorResponse`.
pub(super) struct Tapped<S> {
    socket: S,
    frames: Frames,
    last: Arc<LastError>,
}

impl<S> Tapped<S> {
    pub(super) fn new(socket: S, last: Arc<LastError>) -> Self {
        Self { socket, frames: Frames::default(), last }
    }
}

/// Splits the byte stream into the protocol's messages: one byte for the kind, four for the length, then the body.
#[derive(Default)]
struct Frames {
    header: [u8; 5],
    /// Bytes of the header received so far.
    filled: usize,
    /// Bytes of the body still to be received.
    left: usize,
    /// The body of an `ErrorResponse`, as far as it was received.
    error: Vec<u8>,
}

impl Frames {
    fn read(&mut self, mut bytes: &[u8], last: &LastError) {
        while !bytes.is_empty() {
            if self.filled < self.header.len() {
                let taken = bytes.len().min(self.header.len() - self.filled);
                self.header[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
                self.filled += taken;
                bytes = &bytes[taken..];
                if self.filled < self.header.len() {
                    return;
                }
                let length = u32::from_be_bytes([self.header[1], self.header[2], self.header[3], self.header[4]]);
                // The length counts itself.
                self.left = (length as usize).saturating_sub(4);
            }
            let taken = bytes.len().min(self.left);
            if self.header[0] == b'E' {
                self.error.extend_from_slice(&bytes[..taken]);
            }
            self.left -= taken;
            bytes = &bytes[taken..];
            if self.left == 0 {
                if self.header[0] == b'E'
                    && let Some(state) = code_in(&self.error)
                {
                    last.note(state);
                }
                self.error.clear();
                self.filled = 0;
            }
        }
    }
}

/// The field `C` of an `ErrorResponse`: fields are a letter and a text that ends with a zero byte.
fn code_in(body: &[u8]) -> Option<SqlState> {
    body.split(|byte| *byte == 0)
        .find(|field| field.first() == Some(&b'C'))
        .and_then(|field| field[1..].try_into().ok())
        .map(SqlState)
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let this = &mut *self;
        let ready = Pin::new(&mut this.socket).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = ready {
            this.frames.read(&buf.filled()[before..], &this.last);
        }
        ready
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn the_code_is_found_however_the_bytes_arrive() {
        let error = message(b'E', b"SFEHLER\0VERROR\0C40P01\0MVerklemmung entdeckt\0\0");
        let all =
            [message(b'D', b"E40001 is only data\0C12345\0"), message(b'Z', b"I"), error, message(b'Z', b"E")].concat();
        for size in [1, 2, 3, 7, all.len()] {
            let (mut frames, last) = (Frames::default(), LastError::default());
            all.chunks(size).for_each(|chunk| frames.read(chunk, &last));
            assert_eq!(last.get(), Some(SqlState::DEADLOCK), "in pieces of {size}");
        }
    }

    #[test]
    fn the_class_tells_outages_from_bugs() {
        let is_outage = |code: &[u8; 5]| SqlState(*code).is_outage();
        for outage in [b"08006", b"25006", b"25P03", b"53100", b"53300", b"55P03", b"57014", b"57P01"] {
            assert!(is_outage(outage), "{:?}", SqlState(*outage));
        }
        for bug in [b"42P01", b"22P02", b"23505", b"XX000", b"40001"] {
            assert!(!is_outage(bug), "{:?}", SqlState(*bug));
        }
        assert!(SqlState::SERIALIZATION_FAILURE.is_rollback() && SqlState::DEADLOCK.is_rollback());
    }
}
