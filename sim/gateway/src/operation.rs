//! What callers ask for and what is kept of it: requests, operations, entries of the ledger, answers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kinds of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Reserve an amount.
    Authorise,
    /// Take the reserved amount.
    Capture,
    /// Release the reserved amount.
    Void,
    /// Return a captured amount, or a part of it.
    Refund,
}

/// A request. Its idempotency key covers all fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The operation.
    pub kind: Kind,
    /// The caller's id of the payment, for example `pay_…`.
    pub reference: String,
    /// Minor units; for a refund, none means the whole remaining amount.
    pub amount: Option<i64>,
    /// ISO 4217; only for an authorisation.
    pub currency: Option<String>,
    /// The card's token; only for an authorisation.
    pub method: Option<String>,
}

/// An acknowledged operation: one line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The idempotency key: a request with the same key gets the same answer.
    pub key: String,
    /// The request that was answered.
    pub request: Request,
    /// The answer's HTTP status.
    pub status: u16,
    /// The answer's body.
    pub body: Value,
    /// The amount that it moved, minor units; none when it was refused.
    pub moved: Option<i64>,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// Whether the whole payment was lost with this operation, as if a backup had been restored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgotten: bool,
}

impl Operation {
    /// The answer that was given.
    #[must_use]
    pub fn answer(&self) -> Answer {
        Answer { status: self.status, body: self.body.clone() }
    }
}

/// A movement of money: an entry of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its number: 1, 2 and so on in the order of the journal. A forgotten entry leaves a gap.
    pub seq: u64,
    /// The caller's id of the payment.
    pub reference: String,
    /// The operation.
    pub kind: Kind,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// The idempotency key of the operation.
    pub operation_key: String,
    /// When the operation was decided.
    pub at: DateTime<Utc>,
}

/// How an operation ends that the rules allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is done.
    Done,
    /// The card is declined.
    Declined,
    /// It is refused for this key, and may be done with another one.
    Refused,
    /// It is answered as done, and the payment is lost.
    Forgotten,
}

/// Status and body of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: Value,
}

impl Answer {
    /// An answer that says in a problem document (RFC 9457) why not.
    #[must_use]
    pub fn problem(status: u16, code: &str, detail: &str) -> Self {
        let address = format!("/problems/{}", code.replace('_', "-"));
        Self { status, body: json!({ "type": address, "status": status, "code": code, "detail": detail }) }
    }

    /// The same answer with another member in its body.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.body[name] = json!(value);
        self
    }
}
