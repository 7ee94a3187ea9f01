//! Requests as bytes, and answers.

use std::io::{Error, Result};

use serde::Deserialize;

/// A request.
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
    /// JSON body.
    pub body: Option<&'a str>,
}

impl Request<'_> {
    /// The request on the wire.
    pub fn bytes(&self, host: &str) -> Vec<u8> {
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

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether the status is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// Parses the JSON body.
    ///
    /// # Errors
    /// When the body does not fit `T`.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(Error::other)
    }

    /// Status and problem code, for the list of errors.
    #[must_use]
    pub fn problem(&self) -> String {
        #[derive(Deserialize)]
        struct Problem {
            code: String,
        }
        let code = self.read::<Problem>().map_or_else(|_| "without a code".to_owned(), |p| p.code);
        format!("{} {code}", self.status)
    }

    /// Whether a retry with the same key may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.status >= 500
            || (self.status == 409 && self.read::<serde_json::Value>().is_ok_and(|b| b["code"] == "in_flight"))
    }
}
