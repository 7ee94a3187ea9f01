//! Sending calls: authentication, retries and the journal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use chrono::Utc;
use pannier_contracts::Role;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::journal::{Acknowledged, Journal};
use crate::{Call, CallError, Problem, Service, Target};

/// A token is replaced after this time; services accept tokens for 15 minutes.
const TOKEN_LIFETIME: Duration = Duration::from_secs(300);
/// A `Retry-After` header is honoured up to this delay.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);
/// Delays between attempts where the answer names none. [`Call::patience`] ends the retries.
const RETRY_DELAYS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(2))
    .without_max_times();

/// The HTTP client of one platform, with the tokens and the journal of all its callers.
pub struct Api {
    pub(crate) http: reqwest::Client,
    target: Target,
    journal: Option<Journal>,
    tokens: Mutex<HashMap<(Role, String), Token>>,
    pub(crate) stop: CancellationToken,
}

struct Token {
    text: String,
    issued_at: Instant,
}

impl Api {
    /// A client of `target`. When `stop` is cancelled, all calls end with [`CallError::Stopped`] and all streams close.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(target: Target, journal: Option<Journal>, stop: CancellationToken) -> anyhow::Result<Arc<Self>> {
        // Idle connections are dropped early: each connection of a killed service costs one failed attempt.
        let http = target
            .tls
            .http()
            .connect_timeout(Duration::from_secs(2))
            .pool_idle_timeout(Duration::from_secs(4))
            .build()?;
        Ok(Arc::new(Self { http, target, journal, tokens: Mutex::default(), stop }))
    }

    /// A caller with tokens for this role and subject.
    #[must_use]
    pub fn caller(self: &Arc<Self>, role: Role, subject: &str) -> Caller {
        Caller { api: self.clone(), role, subject: subject.to_owned() }
    }

    /// The addresses that are called.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Cancel it to end all calls and streams.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    pub(crate) fn url(&self, service: Service, path: &str) -> String {
        format!("{}{path}", self.target.url(service).trim_end_matches('/'))
    }
}

/// Sends calls as one role and subject.
#[derive(Clone)]
pub struct Caller {
    pub(crate) api: Arc<Api>,
    role: Role,
    subject: String,
}

/// Result of one attempt.
enum Attempt<T> {
    Done(T),
    Retry { reason: String, after: Option<Duration> },
    Failed(CallError),
}

impl<T> Attempt<T> {
    fn no_answer(error: &reqwest::Error) -> Self {
        Self::Retry { reason: format!("no answer: {}", root_cause(error)), after: None }
    }
}

impl Caller {
    /// The subject of the tokens: `cus_…`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The shared client.
    #[must_use]
    pub fn api(&self) -> &Arc<Api> {
        &self.api
    }

    /// Sends a call, and retries it while no answer, a 5xx, 429 or 401 comes back, or an earlier attempt is in flight.
    ///
    /// # Errors
    /// [`CallError::Refused`]: correct the call, or read the record again. [`CallError::Unavailable`]: the patience ended
    /// and the call may have taken effect; repeat it with the same key. [`CallError::InvalidAnswer`]: a bug.
    /// [`CallError::Stopped`]: end the task.
    pub async fn send<T: DeserializeOwned>(&self, call: Call) -> Result<T, CallError> {
        let deadline = Instant::now() + call.patience;
        let mut delays = RETRY_DELAYS.build();
        loop {
            let attempt = tokio::select! {
                () = self.api.stop.cancelled() => return Err(CallError::Stopped),
                attempt = self.send_once(&call) => attempt,
            };
            let (reason, after) = match attempt {
                Attempt::Done(answer) => return Ok(answer),
                Attempt::Failed(error) => return Err(error),
                Attempt::Retry { reason, after } => (reason, after),
            };
            let next = after.or_else(|| delays.next()).map(|delay| Instant::now() + delay);
            let Some(next) = next.filter(|next| *next < deadline) else {
                return Err(CallError::Unavailable(format!("{} {}: {reason}", call.method, call.path)));
            };
            tokio::select! {
                () = self.api.stop.cancelled() => return Err(CallError::Stopped),
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    async fn send_once<T: DeserializeOwned>(&self, call: &Call) -> Attempt<T> {
        let mut request = self.api.http.request(call.method.clone(), self.api.url(call.service, &call.path));
        request = request.bearer_auth(self.token()).timeout(call.timeout);
        if let Some(key) = &call.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(version) = call.if_match {
            request = request.header("if-match", version);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(e) => return Attempt::no_answer(&e),
        };
        let status = answer.status();
        let header = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let replayed = header("idempotency-replayed").is_some();
        let retry_after = header("retry-after").and_then(|s| s.parse().ok()).map(Duration::from_secs);
        let retry_after = retry_after.map(|delay| delay.min(RETRY_AFTER_MAX));
        let bytes = match answer.bytes().await {
            Ok(bytes) => bytes,
            Err(e) => return Attempt::no_answer(&e),
        };
        if !status.is_success() {
            let problem = Problem::read(status.as_u16(), &bytes);
            if status == StatusCode::UNAUTHORIZED {
                self.forget_token();
            }
            let is_transient = status.is_server_error()
                || status == StatusCode::UNAUTHORIZED
                || status == StatusCode::TOO_MANY_REQUESTS
                || (status == StatusCode::CONFLICT && problem.code == "in_flight");
            // A call without retries reports the problem itself, not that its patience ended.
            return if is_transient && !call.patience.is_zero() {
                Attempt::Retry { reason: problem.to_string(), after: retry_after }
            } else {
                Attempt::Failed(CallError::Refused(Box::new(problem)))
            };
        }
        let body: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        if let Err(e) = self.append_to_journal(call, status, replayed, body) {
            return Attempt::Failed(CallError::InvalidAnswer(format!("{e:#}")));
        }
        match serde_json::from_slice(body) {
            Ok(answer) => Attempt::Done(answer),
            Err(e) => {
                let text = String::from_utf8_lossy(&body[..body.len().min(400)]).into_owned();
                Attempt::Failed(CallError::InvalidAnswer(format!("{} {}: {e} in {text}", call.method, call.path)))
            }
        }
    }

    fn append_to_journal(&self, call: &Call, status: StatusCode, replayed: bool, body: &[u8]) -> anyhow::Result<()> {
        let Some(journal) = self.api.journal.as_ref().filter(|_| call.method != Method::GET) else { return Ok(()) };
        // Positions are not checked afterwards, and would be most of the journal.
        if call.path.ends_with("/locations") {
            return Ok(());
        }
        let id = serde_json::from_slice::<Value>(body).ok().and_then(|b| b["id"].as_str().map(str::to_owned));
        journal.append(&Acknowledged {
            at: Utc::now(),
            caller: format!("{}:{}", self.role.as_str(), self.subject),
            call: format!("{} {}", call.method, call.path),
            key: call.key.clone(),
            status: status.as_u16(),
            replayed,
            id,
        })
    }

    pub(crate) fn token(&self) -> String {
        let mut tokens = self.api.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = tokens.entry((self.role, self.subject.clone()));
        let token = entry.or_insert_with(|| self.issue_token());
        if token.issued_at.elapsed() > TOKEN_LIFETIME {
            *token = self.issue_token();
        }
        token.text.clone()
    }

    fn issue_token(&self) -> Token {
        Token { text: (self.api.target.minter)(self.role, &self.subject), issued_at: Instant::now() }
    }

    /// Drops the cached token: it was refused, or its customer, one of many, makes no more calls.
    pub(crate) fn forget_token(&self) {
        let mut tokens = self.api.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.remove(&(self.role, self.subject.clone()));
    }
}

/// The innermost cause: reqwest's own message is only "error sending request for url".
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
