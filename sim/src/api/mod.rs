//! A typed client of the public HTTP APIs, made for services that may be killed while they answer.
//!
//! A call that got no answer, or a 5xx, is tried again **with the same Idempotency-Key** until its patience ends, so
//! that it happens once however often it was sent. Every acknowledged writing call goes into the journal.

mod answers;
mod customer;
mod ops;
mod problem;
mod rider;
mod shop;
pub mod sse;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use self::answers::{DeliveryView, MerchantView, OrderView, Page, QuoteView, RoundView, ShopView};
pub use self::customer::Customer;
pub use self::ops::Ops;
pub use self::problem::{CallError, Problem};
pub use self::rider::{Rider, Tap};
pub use self::shop::Shop;
use crate::journal::{Acknowledged, Journal};
use crate::{Role, Target};

/// One try: the server answers within 5 s or is not there.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long a call is tried: longer than any service or server needs to come back.
const PATIENCE: Duration = Duration::from_secs(150);
/// Tokens live 15 minutes; a new one well before that.
const TOKEN_FOR: Duration = Duration::from_secs(300);

/// The three services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// order-svc.
    Order,
    /// merchant-svc.
    Merchant,
    /// dispatch-svc.
    Dispatch,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Order, Self::Merchant, Self::Dispatch];
}

/// The platform, seen from outside. Shared by all bots.
pub struct Api {
    http: reqwest::Client,
    target: Target,
    journal: Option<Journal>,
    tokens: Mutex<HashMap<(Role, String), (String, Instant)>>,
    stop: CancellationToken,
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

    fn url(&self, service: Service, path: &str) -> String {
        let base = match service {
            Service::Order => &self.target.order_url,
            Service::Merchant => &self.target.merchant_url,
            Service::Dispatch => &self.target.dispatch_url,
        };
        format!("{}{path}", base.trim_end_matches('/'))
    }
}

/// A role and a subject at work.
#[derive(Clone)]
pub struct Caller {
    api: Arc<Api>,
    role: Role,
    subject: String,
}

/// One call, before it is sent.
#[derive(Debug, Clone)]
#[must_use]
pub struct Call {
    service: Service,
    method: Method,
    path: String,
    body: Option<Value>,
    key: Option<String>,
    if_match: Option<i64>,
    patience: Duration,
    within: Duration,
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
        Self { service, method, path, body: None, key: None, if_match: None, patience: PATIENCE, within: ANSWER_WITHIN }
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

    /// Waits so long for one try's answer.
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }
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
        request = request.bearer_auth(self.token()).timeout(call.within);
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
            let again = status.is_server_error()
                || status == StatusCode::UNAUTHORIZED
                || status == StatusCode::TOO_MANY_REQUESTS
                || (status == StatusCode::CONFLICT && problem.code == "in_flight");
            return if again {
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

    fn token(&self) -> String {
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
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
