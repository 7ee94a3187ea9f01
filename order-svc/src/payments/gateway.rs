//! The port to a payment gateway, and the one that speaks HTTP with ours.
//!
//! Every operation carries our own id, which is the gateway's idempotency key: asking twice moves money once.

use std::time::Duration;

use async_trait::async_trait;
use pannier_contracts::text_enum;
use reqwest::StatusCode;
use serde::Deserialize;

use crate::store::payments::Payment;

text_enum! {
    /// What can be asked of a gateway.
    pub enum Operation {
        /// Hold the amount.
        Authorise => "authorise",
        /// Take it.
        Capture => "capture",
        /// Let it go.
        Void => "void",
        /// Give it back.
        Refund => "refund",
    }
}

/// What a gateway said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Done, now or before under the same key.
    Done,
    /// No, for good.
    Refused(String),
    /// It knows nothing of this operation. Only an answer to [`Gateway::ask`].
    NotKnown,
}

/// No answer: it may have happened.
#[derive(Debug, thiserror::Error)]
#[error("no answer from the payment gateway: {0}")]
pub struct NoAnswer(pub String);

/// A payment gateway.
#[async_trait]
pub trait Gateway: Send + Sync + 'static {
    /// Does an operation, at most once per key.
    ///
    /// # Errors
    /// When no answer came.
    async fn perform(&self, operation: Operation, key: &str, payment: &Payment) -> Result<Said, NoAnswer>;

    /// What became of an operation.
    ///
    /// # Errors
    /// When no answer came.
    async fn ask(&self, key: &str) -> Result<Said, NoAnswer>;
}

/// `sim/gateway` and whatever speaks like it.
#[derive(Debug, Clone)]
pub struct HttpGateway {
    http: reqwest::Client,
    url: String,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    state: Option<String>,
}

/// A gateway's records: what it said, and with which status.
#[derive(Deserialize)]
struct Recorded {
    status: u16,
    #[serde(default)]
    body: Option<Body>,
}

impl HttpGateway {
    /// A client of the gateway at `url`.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned() })
    }
}

fn said(status: StatusCode, body: Option<Body>) -> Result<Said, NoAnswer> {
    if status.is_success() {
        if body.as_ref().and_then(|b| b.state.as_deref()) == Some("declined") {
            return Ok(Said::Refused("declined".to_owned()));
        }
        return Ok(Said::Done);
    }
    if matches!(status.as_u16(), 402 | 404 | 409 | 422) {
        return Ok(Said::Refused(body.and_then(|b| b.code).unwrap_or_else(|| status.to_string())));
    }
    // 5xx, 429 and anything odd: it may have happened.
    Err(NoAnswer(status.to_string()))
}

#[async_trait]
impl Gateway for HttpGateway {
    async fn perform(&self, operation: Operation, key: &str, payment: &Payment) -> Result<Said, NoAnswer> {
        let reference = payment.id.to_string();
        let base = format!("{}/v1/authorizations", self.url);
        let (url, body) = match operation {
            Operation::Authorise => (
                base,
                serde_json::json!({"reference": reference, "amount": payment.amount,
                    "currency": payment.currency, "method": payment.method}),
            ),
            Operation::Refund => (format!("{base}/{reference}/refund"), serde_json::json!({"amount": payment.amount})),
            Operation::Capture | Operation::Void => (format!("{base}/{reference}/{operation}"), serde_json::json!({})),
        };
        let response = self
            .http
            .post(url)
            .header("Idempotency-Key", key)
            .json(&body)
            .send()
            .await
            .map_err(|e| NoAnswer(e.to_string()))?;
        let status = response.status();
        said(status, response.json().await.ok())
    }

    async fn ask(&self, key: &str) -> Result<Said, NoAnswer> {
        let response = self
            .http
            .get(format!("{}/v1/operations/{key}", self.url))
            .send()
            .await
            .map_err(|e| NoAnswer(e.to_string()))?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(Said::NotKnown),
            status if status.is_success() => {
                let recorded: Recorded = response.json().await.map_err(|e| NoAnswer(e.to_string()))?;
                let status = StatusCode::from_u16(recorded.status).map_err(|e| NoAnswer(e.to_string()))?;
                said(status, recorded.body)
            }
            status => Err(NoAnswer(status.to_string())),
        }
    }
}
