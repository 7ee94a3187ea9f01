//! Description of one API call, independent of who sends it.

use std::time::Duration;

use reqwest::Method;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::Service;

/// Default timeout of one attempt. The services answer or refuse within 5 s.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Default time during which a call is retried: longer than any service or server needs to restart.
const PATIENCE: Duration = Duration::from_secs(150);

/// One API call. [`crate::Caller::send`] sends it.
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
    /// A GET without a body.
    pub fn get(service: Service, path: impl Into<String>) -> Self {
        Self::new(service, Method::GET, path)
    }

    /// A PUT without an Idempotency-Key: it is idempotent by itself.
    pub fn put(service: Service, path: impl Into<String>) -> Self {
        Self::new(service, Method::PUT, path)
    }

    /// A POST with a fresh Idempotency-Key: all attempts of this call take effect once.
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

    /// Sets the JSON body.
    pub fn body(self, body: impl Serialize) -> Self {
        Self { body: serde_json::to_value(body).ok(), ..self }
    }

    /// Sets the Idempotency-Key, for a call that repeats an earlier one.
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// Removes the Idempotency-Key.
    pub fn keyless(self) -> Self {
        Self { key: None, ..self }
    }

    /// Sends `If-Match`: the call is refused with 412 when the record has another version.
    pub fn if_match(self, version: i64) -> Self {
        Self { if_match: Some(version), ..self }
    }

    /// Retries for this long; zero means a single attempt.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Timeout of one attempt.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}
