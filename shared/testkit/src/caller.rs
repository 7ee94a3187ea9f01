//! Calls an API without retries and returns the answer unchanged, so that a test can check it.

use pannier_tls::Tls;
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::Stream;

/// An answer of a service.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body, or null.
    pub body: Value,
    /// Whether the answer has `Idempotency-Replayed: true`.
    pub replayed: bool,
    /// Content type.
    pub content_type: String,
}

impl Answer {
    /// Reads a response.
    pub async fn of(response: reqwest::Response) -> Self {
        let header = |name: &str| response.headers().get(name).and_then(|h| h.to_str().ok()).unwrap_or("").to_owned();
        let (replayed, content_type) = (header("idempotency-replayed") == "true", header("content-type"));
        let status = response.status().as_u16();
        Self { status, body: response.json().await.unwrap_or(Value::Null), replayed, content_type }
    }

    /// The body of a success.
    ///
    /// # Panics
    /// When the status is not 2xx.
    #[allow(clippy::must_use_candidate, reason = "often only asked for the panic")]
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.body);
        self.body
    }

    /// The body of a problem. Checks its status and code, and the fields that every problem has.
    ///
    /// # Panics
    /// When the answer is not that problem.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.body);
        assert_eq!(self.content_type, "application/problem+json");
        assert_eq!(self.body["status"], status, "{}", self.body);
        assert_eq!(self.body["type"], format!("/problems/{}", code.replace('_', "-")), "{}", self.body);
        for field in ["title", "detail"] {
            assert!(self.body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {}", self.body);
        }
        assert!(self.body["retryable"].is_boolean(), "{}", self.body);
        let trace_id = self.body["trace_id"].as_str().unwrap_or("");
        assert!(trace_id.len() == 32, "a problem has a trace id: {}", self.body);
        self.body
    }

    /// The `version` in the body.
    ///
    /// # Panics
    /// When the body has no version.
    #[must_use]
    #[track_caller]
    pub fn version(&self) -> i64 {
        self.body["version"].as_i64().unwrap_or_else(|| panic!("no version in {self:?}"))
    }

    /// The `code` of a problem.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }
}

/// An HTTP client that trusts the machine's CAs.
///
/// # Panics
/// When none can be made.
#[must_use]
pub fn http_client() -> reqwest::Client {
    Tls::default().http().build().expect("an HTTP client")
}

/// Calls one service with one token.
#[derive(Debug, Clone)]
pub struct Caller {
    http: reqwest::Client,
    base: String,
    token: String,
    traceparent: Option<String>,
    /// The subject of the token, for example `cus_…`.
    pub id: String,
}

impl Caller {
    /// A caller with `token`, whose subject is `id`, of the service at the base URL `base`.
    #[must_use]
    pub fn new(http: reqwest::Client, base: &str, token: String, id: String) -> Self {
        Self { http, base: base.to_owned(), token, traceparent: None, id }
    }

    /// The same caller at another service.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// The same caller, with requests that belong to this trace.
    #[must_use]
    pub fn traced(&self, trace_id: &str) -> Self {
        Self { traceparent: Some(format!("00-{trace_id}-00f067aa0ba902b7-01")), ..self.clone() }
    }

    /// The same caller with another token.
    #[must_use]
    pub fn with_token(&self, token: String) -> Self {
        Self { token, ..self.clone() }
    }

    /// A request with token and trace, to be completed by the test.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        match &self.traceparent {
            Some(traceparent) => request.header("traceparent", traceparent),
            None => request,
        }
    }

    /// Sends GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None, None).await
    }

    /// Sends POST with a new idempotency key.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_as(path, &Uuid::now_v7().to_string(), body).await
    }

    /// Sends POST with this idempotency key.
    pub async fn post_as(&self, path: &str, key: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(key), None, Some(body)).await
    }

    /// Sends POST with a new idempotency key and `If-Match`.
    pub async fn post_if(&self, path: &str, version: &Value, body: Value) -> Answer {
        self.send(Method::POST, path, Some(&Uuid::now_v7().to_string()), Some(version), Some(body)).await
    }

    /// Sends PUT, with `If-Match` if a version is given.
    pub async fn put(&self, path: &str, version: Option<&Value>, body: Value) -> Answer {
        self.send(Method::PUT, path, None, version, Some(body)).await
    }

    /// Sends a request with the headers and the body that are given.
    ///
    /// # Panics
    /// When the service does not answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        if_match: Option<&Value>,
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.request(method, path);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(version) = if_match {
            request = request.header("If-Match", format!("\"{version}\""));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request.send().await.unwrap_or_else(|e| panic!("{path}: {e}"))).await
    }

    /// Opens a stream.
    ///
    /// # Panics
    /// When the service does not answer with 200.
    pub async fn stream(&self, path: &str, cursor: Option<&str>) -> Stream {
        let mut request = self.request(Method::GET, path);
        if let Some(cursor) = cursor {
            request = request.header("Last-Event-ID", cursor);
        }
        let response = request.send().await.unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(response.status(), 200, "{path}");
        Stream::of(response)
    }
}
