//! Somebody with a token who calls an API and sees exactly what came back. No retries: tests want the first answer.

use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body, or null.
    pub body: Value,
    /// `Idempotency-Replayed: true`.
    pub replayed: bool,
    /// Content type.
    pub content_type: String,
}

impl Answer {
    /// The body of a success.
    ///
    /// # Panics
    /// When it was none.
    #[must_use]
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.body);
        self.body
    }

    /// The `code` of a problem.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }
}

/// Somebody with a token.
#[derive(Debug, Clone)]
pub struct Caller {
    http: reqwest::Client,
    base: String,
    token: String,
    /// Their subject: `cus_…`.
    pub id: String,
}

impl Caller {
    /// `token` at the service that answers at `base`.
    #[must_use]
    pub fn new(http: reqwest::Client, base: &str, token: String, id: String) -> Self {
        Self { http, base: base.to_owned(), token, id }
    }

    /// The same person at another service.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None, None).await
    }

    /// POST with a fresh key.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_as(path, &Uuid::now_v7().to_string(), body).await
    }

    /// POST with this key.
    pub async fn post_as(&self, path: &str, key: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(key), None, Some(body)).await
    }

    /// POST with a fresh key and `If-Match`.
    pub async fn post_if(&self, path: &str, version: &Value, body: Value) -> Answer {
        self.send(Method::POST, path, Some(&Uuid::now_v7().to_string()), Some(version), Some(body)).await
    }

    /// PUT, with `If-Match` where there is a version.
    pub async fn put(&self, path: &str, version: Option<&Value>, body: Value) -> Answer {
        self.send(Method::PUT, path, None, version, Some(body)).await
    }

    /// Anything.
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
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(version) = if_match {
            request = request.header("If-Match", format!("\"{version}\""));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap_or_else(|e| panic!("{path}: {e}"));
        let header = |name: &str| response.headers().get(name).and_then(|h| h.to_str().ok()).unwrap_or("").to_owned();
        let (replayed, content_type) = (header("idempotency-replayed") == "true", header("content-type"));
        let status = response.status().as_u16();
        Answer { status, body: response.json().await.unwrap_or(Value::Null), replayed, content_type }
    }

    /// Opens a stream; read it with `bytes_stream` or `chunk`.
    ///
    /// # Panics
    /// When the service does not answer.
    pub async fn stream(&self, path: &str, cursor: Option<&str>) -> reqwest::Response {
        let mut request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(cursor) = cursor {
            request = request.header("Last-Event-ID", cursor);
        }
        request.send().await.unwrap_or_else(|e| panic!("{path}: {e}"))
    }
}
