//! One call of an API, before it is sent.

use std::time::Duration;

use reqwest::Method;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::Service;

/// How long one try may take. The services answer within 5 s or refuse.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long a call is tried again: longer than any service or server needs to restart.
const PATIENCE: Duration = Duration::from_secs(150);

/// One call, before it is sent.
#[derive(Debug, Clone)]
#[must_use]
pub struct Call {
    pub(crate) service: Service,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    pub(crate) key: Option<String>,
    pub(crate) if_match: Option<i64>,
    pub(crate) patience: Duration,
    pub(crate) timeout: Duration,
}

impl Call {
    /// Reads.
    pub fn get(service: Service, path: impl Into<String>) -> Self {
        Self::new(service, Method::GET, path)
    }

    /// Puts, without a key: a PUT is idempotent by itself.
    pub fn put(service: Service, path: impl Into<String>) -> Self {
        Self::new(service, Method::PUT, path)
    }

    /// Posts, under a key of its own: all tries of this call are one action.
    pub fn post(service: Service, path: impl Into<String>) -> Self {
        let call = Self::new(service, Method::POST, path);
        call.key(Uuid::now_v7().simple().to_string())
    }

    fn new(service: Service, method: Method, path: impl Into<String>) -> Self {
        let path = path.into();
        Self {
            service,
            method,
            path,
            body: None,
            key: None,
            if_match: None,
            patience: PATIENCE,
            timeout: ANSWER_WITHIN,
        }
    }

    /// Sends a body.
    pub fn body(self, body: impl Serialize) -> Self {
        Self { body: serde_json::to_value(body).ok(), ..self }
    }

    /// Under this Idempotency-Key instead of a fresh one.
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// Without an Idempotency-Key.
    pub fn keyless(self) -> Self {
        Self { key: None, ..self }
    }

    /// Only if the version is still this.
    pub fn if_match(self, version: i64) -> Self {
        Self { if_match: Some(version), ..self }
    }

    /// Tries for so long; zero means once.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Waits so long for the answer of one try.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}
