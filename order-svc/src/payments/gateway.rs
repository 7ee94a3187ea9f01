//! The port to a payment gateway, and its adapter for HTTP.
//!
//! Every operation carries an idempotency key, so that money moves once however often it is asked for.

use std::time::Duration;

use async_trait::async_trait;
use pannier_contracts::{Money, PaymentId};
use pannier_platform::cause::Trace;
use pannier_platform::telemetry::calls;
use pannier_platform::{Metrics, Tls};
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::domain::settlement::Operation;

/// What a gateway answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The operation is done, by this request or an earlier one with the same key.
    Done,
    /// The operation is refused for good, for this reason. Another attempt needs another key.
    Refused(String),
    /// The gateway has no operation with this key, or nothing to do it with: no payment with this reference. Both may
    /// still arrive.
    NotFound,
}

/// No answer came: the operation may have happened.
#[derive(Debug, thiserror::Error)]
#[error("no answer from the payment gateway: {0}")]
pub struct NoAnswer(pub String);

/// An operation to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is to be done.
    pub operation: Operation,
    /// The idempotency key: it is done at most once.
    pub key: String,
    /// Our reference.
    pub payment: PaymentId,
    /// What it moves.
    pub amount: Money,
    /// The payment method; only an authorisation needs it.
    pub method: String,
}

/// What a gateway knows about a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// The hold was released.
    pub is_voided: bool,
    /// What was taken, minor units.
    pub captured: i64,
    /// What was given back, minor units.
    pub refunded: i64,
}

/// A payment gateway: the contract is in `docs/payment-gateway.md`.
#[async_trait]
pub trait Gateway: Send + Sync + 'static {
    /// Asks for an operation, which is done at most once per key.
    ///
    /// # Errors
    /// [`NoAnswer`]: whether it happened has to be asked with [`Gateway::query`].
    async fn perform(&self, request: &Request, trace: &Trace) -> Result<Answer, NoAnswer>;

    /// Asks what became of an operation.
    ///
    /// # Errors
    /// [`NoAnswer`]: ask again later.
    async fn query(&self, key: &str, trace: &Trace) -> Result<Answer, NoAnswer>;

    /// Asks what is known about a payment, by our reference; `None` if nothing is.
    ///
    /// # Errors
    /// [`NoAnswer`]: ask again later.
    async fn look_up(&self, payment: PaymentId, trace: &Trace) -> Result<Option<Holding>, NoAnswer>;
}

/// A gateway with the HTTP API of `sim/gateway`.
#[derive(Debug, Clone)]
pub struct HttpGateway {
    http: reqwest::Client,
    url: String,
    key: SecretString,
    metrics: Metrics,
}

#[derive(Deserialize)]
struct OperationBody {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    state: Option<String>,
}

/// An operation that the gateway has recorded: the answer that it gave.
#[derive(Deserialize)]
struct Recorded {
    status: u16,
    #[serde(default)]
    body: Option<OperationBody>,
}

/// What the gateway knows by our reference.
#[derive(Deserialize)]
struct Known {
    state: String,
    captured: i64,
    refunded: i64,
}

impl HttpGateway {
    /// A client of the gateway at `url`, which knows us by `key`.
    ///
    /// # Errors
    /// The URL is not `http://…` or `https://…`, or the key is empty.
    pub fn new(url: &str, key: SecretString, tls: &Tls, metrics: Metrics) -> anyhow::Result<Self> {
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        anyhow::ensure!(is_http, "gateway_url is {url:?}; it begins with http:// or https://");
        anyhow::ensure!(!key.expose_secret().is_empty(), "gateway_key is empty");
        let http = tls.http().timeout(Duration::from_secs(5)).build()?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), key, metrics })
    }

    async fn send(&self, what: &str, trace: &Trace, request: RequestBuilder) -> Result<Response, NoAnswer> {
        let request = request.bearer_auth(self.key.expose_secret());
        let sent = calls::send(&self.metrics, "gateway", what, trace, request).await;
        // With its causes: by itself the error says only that sending failed.
        sent.map_err(|e| NoAnswer(format!("{:#}", anyhow::Error::new(e))))
    }
}

fn answer(status: StatusCode, body: Option<OperationBody>) -> Result<Answer, NoAnswer> {
    if status.is_success() {
        if body.as_ref().and_then(|b| b.state.as_deref()) == Some("declined") {
            return Ok(Answer::Refused("declined".to_owned()));
        }
        return Ok(Answer::Done);
    }
    let code = body.and_then(|body| body.code);
    match (status.as_u16(), code.as_deref()) {
        (404, Some("unknown_reference")) => Ok(Answer::NotFound),
        (402 | 404 | 409 | 422, _) => Ok(Answer::Refused(code.unwrap_or_else(|| status.to_string()))),
        // 5xx, 429 and whatever else: it may have happened. 401 and 403: our key is wrong, which says nothing about it.
        _ => Err(NoAnswer(status.to_string())),
    }
}

#[async_trait]
impl Gateway for HttpGateway {
    async fn perform(&self, request: &Request, trace: &Trace) -> Result<Answer, NoAnswer> {
        let Request { operation, key, payment, amount, method } = request;
        let base = format!("{}/v1/authorizations", self.url);
        let (url, body) = match operation {
            Operation::Authorise => (
                base,
                serde_json::json!({"reference": payment, "amount": amount.amount, "currency": amount.currency,
                    "method": method}),
            ),
            Operation::Refund => (format!("{base}/{payment}/refund"), serde_json::json!({"amount": amount.amount})),
            Operation::Capture | Operation::Void => (format!("{base}/{payment}/{operation}"), serde_json::json!({})),
        };
        let request = self.http.post(url).header("Idempotency-Key", key).json(&body);
        let response = self.send(operation.as_str(), trace, request).await?;
        let status = response.status();
        answer(status, response.json().await.ok())
    }

    async fn query(&self, key: &str, trace: &Trace) -> Result<Answer, NoAnswer> {
        let request = self.http.get(format!("{}/v1/operations/{key}", self.url));
        let response = self.send("query", trace, request).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(Answer::NotFound),
            status if status.is_success() => {
                let recorded: Recorded = response.json().await.map_err(|e| NoAnswer(e.to_string()))?;
                let status = StatusCode::from_u16(recorded.status).map_err(|e| NoAnswer(e.to_string()))?;
                answer(status, recorded.body)
            }
            status => Err(NoAnswer(status.to_string())),
        }
    }

    async fn look_up(&self, payment: PaymentId, trace: &Trace) -> Result<Option<Holding>, NoAnswer> {
        let request = self.http.get(format!("{}/v1/authorizations/{payment}", self.url));
        let response = self.send("look up", trace, request).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let known: Known = response.json().await.map_err(|e| NoAnswer(e.to_string()))?;
                let is_voided = known.state == "voided";
                Ok(Some(Holding { is_voided, captured: known.captured, refunded: known.refunded }))
            }
            status => Err(NoAnswer(status.to_string())),
        }
    }
}
