//! The platform's APIs and who calls them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
const TOKEN_FOR: Duration = Duration::from_secs(300);

/// The platform, seen from outside. Shared by all bots.
pub struct Api {
    pub(crate) http: reqwest::Client,
    target: Target,
    journal: Option<Journal>,
    tokens: Mutex<HashMap<(Role, String), (String, Instant)>>,
    pub(crate) stop: CancellationToken,
}

impl Api {
    /// A client of `target` that gives up every call when `stop` is cancelled.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(target: Target, journal: Option<Journal>, stop: CancellationToken) -> anyhow::Result<Arc<Self>> {
        // No idle connection is kept long: a killed service's connections would each cost one failed try.
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(2))
            .pool_idle_timeout(Duration::from_secs(4))
            .build()?;
        Ok(Arc::new(Self { http, target, journal, tokens: Mutex::default(), stop }))
    }

    /// Somebody who calls.
    #[must_use]
    pub fn caller(self: &Arc<Self>, role: Role, subject: &str) -> Caller {
        Caller { api: self.clone(), role, subject: subject.to_owned() }
    }

    /// The platform.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Ends every call and stream when it is cancelled.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    pub(crate) fn url(&self, service: Service, path: &str) -> String {
        format!("{}{path}", self.target.url(service).trim_end_matches('/'))
    }
}

/// A role and a subject at work.
#[derive(Clone)]
pub struct Caller {
    pub(crate) api: Arc<Api>,
    role: Role,
    subject: String,
}

enum Try<T> {
    Done(T),
    Again(String, Option<Duration>),
    Never(CallError),
}

impl Caller {
    /// Whose calls these are.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The platform that is called.
    #[must_use]
    pub fn api(&self) -> &Arc<Api> {
        &self.api
    }

    /// Sends a call until it is answered.
    ///
    /// # Errors
    /// [`CallError::Refused`] is the platform's no; [`CallError::Away`] says that nobody answered in time and that
    /// what was asked for may have happened; [`CallError::Stopped`] ends the bot.
    pub async fn send<T: DeserializeOwned>(&self, call: Call) -> Result<T, CallError> {
        let until = Instant::now() + call.patience;
        let mut pause = Duration::from_millis(100);
        loop {
            let tried = tokio::select! {
                () = self.api.stop.cancelled() => return Err(CallError::Stopped),
                tried = self.once(&call) => tried,
            };
            let (why, wait) = match tried {
                Try::Done(answer) => return Ok(answer),
                Try::Never(error) => return Err(error),
                Try::Again(why, wait) => (why, wait.unwrap_or(pause)),
            };
            if Instant::now() + wait >= until {
                return Err(CallError::Away(format!("{} {}: {why}", call.method, call.path)));
            }
            tokio::select! {
                () = self.api.stop.cancelled() => return Err(CallError::Stopped),
                () = tokio::time::sleep(wait) => {}
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    async fn once<T: DeserializeOwned>(&self, call: &Call) -> Try<T> {
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
            Err(e) => return Try::Again(format!("no answer: {}", root_cause(&e)), None),
        };
        let status = answer.status();
        let header = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let replayed = header("idempotency-replayed").is_some();
        let retry_after = header("retry-after").and_then(|s| s.parse().ok()).map(Duration::from_secs);
        let retry_after = retry_after.map(|d| d.min(Duration::from_secs(5)));
        let bytes = match answer.bytes().await {
            Ok(bytes) => bytes,
            Err(e) => return Try::Again(format!("half an answer: {}", root_cause(&e)), None),
        };
        if !status.is_success() {
            let problem = Problem::read(status.as_u16(), &bytes);
            if status == StatusCode::UNAUTHORIZED {
                self.forget_token();
            }
            let may_pass = status.is_server_error()
                || status == StatusCode::UNAUTHORIZED
                || status == StatusCode::TOO_MANY_REQUESTS
                || (status == StatusCode::CONFLICT && problem.code == "in_flight");
            // Whoever tries once wants to know what was said.
            return if may_pass && !call.patience.is_zero() {
                Try::Again(problem.to_string(), retry_after)
            } else {
                Try::Never(CallError::Refused(Box::new(problem)))
            };
        }
        let body: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        if let Err(e) = self.write_down(call, status, replayed, body) {
            return Try::Never(CallError::Garbled(format!("{e:#}")));
        }
        match serde_json::from_slice(body) {
            Ok(answer) => Try::Done(answer),
            Err(e) => {
                let text = String::from_utf8_lossy(&body[..body.len().min(400)]).into_owned();
                Try::Never(CallError::Garbled(format!("{} {}: {e} in {text}", call.method, call.path)))
            }
        }
    }

    fn write_down(&self, call: &Call, status: StatusCode, replayed: bool, body: &[u8]) -> anyhow::Result<()> {
        let Some(journal) = self.api.journal.as_ref().filter(|_| call.method != Method::GET) else { return Ok(()) };
        // Positions are no promise to anybody, and would be nine lines of ten.
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
        let (token, made) = entry.or_insert_with(|| (self.mint(), Instant::now()));
        if made.elapsed() > TOKEN_FOR {
            (*token, *made) = (self.mint(), Instant::now());
        }
        token.clone()
    }

    fn mint(&self) -> String {
        (self.api.target.minter)(self.role, &self.subject)
    }

    /// Drops the caller's token, also when the caller is done: customers come once and there are many.
    pub(crate) fn forget_token(&self) {
        let mut tokens = self.api.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.remove(&(self.role, self.subject.clone()));
    }
}

/// reqwest says "error sending request for url"; the reason is at the bottom.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
