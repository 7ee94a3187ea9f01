//! The gateway's rules: which operations an authorisation allows, and their answers. Pure: no clock, no file, no HTTP.

use std::collections::HashMap;

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
}

/// A movement of money: an entry of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Authorised,
    Captured,
    Voided,
    PartiallyRefunded,
    Refunded,
}

#[derive(Debug, Clone, Serialize)]
struct Authorisation {
    id: String,
    reference: String,
    state: State,
    amount: i64,
    currency: String,
    captured: i64,
    refunded: i64,
}

/// The state of the gateway: authorisations, operations and ledger.
#[derive(Debug, Default)]
pub struct Book {
    authorisations: HashMap<String, Authorisation>,
    operations: HashMap<String, Operation>,
    entries: Vec<Entry>,
}

/// The result of [`Book::decide`].
#[derive(Debug, PartialEq)]
pub enum Decision {
    /// The key is known with the same request: send the stored answer again.
    Replay(Answer),
    /// A new operation: store it, [`Book::apply`] it, then answer it.
    Do(Box<Operation>),
    /// A refusal that is not stored, because it changes nothing.
    Refuse(Answer),
}

/// Status and body of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: Value,
}

impl Book {
    /// Decides on `request` without changing the book. `id` makes the id of a new authorisation.
    #[must_use]
    pub fn decide(&self, key: &str, request: Request, id: impl FnOnce() -> String, at: DateTime<Utc>) -> Decision {
        if let Some(known) = self.operations.get(key) {
            return if known.request == request {
                Decision::Replay(Answer { status: known.status, body: known.body.clone() })
            } else {
                Decision::Refuse(refusal(422, "idempotency_key_reused", "this key belongs to another request"))
            };
        }
        let existing = self.authorisations.get(&request.reference);
        let Outcome { answer: Answer { status, body }, moved } = match (request.kind, existing) {
            (Kind::Authorise, found) => match authorise(&request, found, id) {
                Ok(outcome) => outcome,
                Err(answer) => return Decision::Refuse(answer),
            },
            (_, None) => {
                return Decision::Refuse(refusal(404, "unknown_reference", "no authorisation has this reference"));
            }
            (kind, Some(found)) => change(kind, request.amount, found),
        };
        Decision::Do(Box::new(Operation { key: key.to_owned(), request, status, body, moved, at }))
    }

    /// Records an operation that was just decided or was read from the journal.
    pub fn apply(&mut self, operation: Operation) {
        if let Some(amount) = operation.moved {
            let reference = &operation.request.reference;
            if operation.request.kind == Kind::Authorise {
                let text = |name: &str| operation.body[name].as_str().unwrap_or_default().to_owned();
                self.authorisations.insert(
                    reference.clone(),
                    Authorisation {
                        id: text("id"),
                        reference: reference.clone(),
                        state: State::Authorised,
                        amount,
                        currency: text("currency"),
                        captured: 0,
                        refunded: 0,
                    },
                );
            }
            if let Some(a) = self.authorisations.get_mut(reference) {
                a.move_money(operation.request.kind, amount);
                self.entries.push(Entry {
                    reference: reference.clone(),
                    kind: operation.request.kind,
                    amount,
                    currency: a.currency.clone(),
                    operation_key: operation.key.clone(),
                    at: operation.at,
                });
            }
        }
        self.operations.insert(operation.key.clone(), operation);
    }

    /// The operation with this key.
    #[must_use]
    pub fn operation(&self, key: &str) -> Option<&Operation> {
        self.operations.get(key)
    }

    /// The current state of an authorisation.
    #[must_use]
    pub fn authorisation(&self, reference: &str) -> Option<Value> {
        self.authorisations.get(reference).map(|a| json!(a))
    }

    /// The ledger, oldest entry first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Authorisation {
    fn move_money(&mut self, kind: Kind, amount: i64) {
        self.state = match kind {
            Kind::Authorise => State::Authorised,
            Kind::Capture => {
                self.captured += amount;
                State::Captured
            }
            Kind::Void => State::Voided,
            Kind::Refund => {
                self.refunded += amount;
                if self.refunded == self.captured { State::Refunded } else { State::PartiallyRefunded }
            }
        };
    }
}

/// The answer of an operation that is stored, and the amount that it moves.
struct Outcome {
    answer: Answer,
    moved: Option<i64>,
}

fn authorise(request: &Request, found: Option<&Authorisation>, id: impl FnOnce() -> String) -> Result<Outcome, Answer> {
    let amount = request.amount.filter(|a| *a > 0);
    let currency = request.currency.as_deref().filter(|c| c.len() == 3 && c.bytes().all(|b| b.is_ascii_uppercase()));
    let (Some(amount), Some(currency), false) = (amount, currency, request.reference.is_empty()) else {
        let detail = "reference, a positive amount in minor units and a currency of three capital letters are needed";
        return Err(refusal(422, "invalid_authorisation", detail));
    };
    if let Some(found) = found {
        return Ok(conflict("already_authorised", found));
    }
    match request.method.as_deref() {
        Some("tok_ok") => {
            let made = Authorisation {
                id: id(),
                reference: request.reference.clone(),
                state: State::Authorised,
                amount,
                currency: currency.to_owned(),
                captured: 0,
                refunded: 0,
            };
            Ok(Outcome { answer: Answer { status: 201, body: json!(made) }, moved: Some(amount) })
        }
        Some("tok_declined") => {
            let mut body = problem("card_declined", "the card was declined");
            body["reference"] = json!(request.reference);
            body["state"] = json!("declined");
            body["amount"] = json!(amount);
            body["currency"] = json!(currency);
            Ok(Outcome { answer: Answer { status: 402, body }, moved: None })
        }
        _ => Err(refusal(422, "unknown_method", "the methods are tok_ok and tok_declined")),
    }
}

fn change(kind: Kind, amount: Option<i64>, found: &Authorisation) -> Outcome {
    let left = found.captured - found.refunded;
    let moved = match (kind, found.state) {
        (Kind::Capture | Kind::Void, State::Authorised) => found.amount,
        (Kind::Refund, State::Captured | State::PartiallyRefunded) => {
            let amount = amount.unwrap_or(left);
            if amount <= 0 || amount > left {
                return conflict("refund_exceeds_capture", found);
            }
            amount
        }
        _ => return conflict("illegal_transition", found),
    };
    let mut after = found.clone();
    after.move_money(kind, moved);
    Outcome { answer: Answer { status: 200, body: json!(after) }, moved: Some(moved) }
}

fn conflict(code: &str, found: &Authorisation) -> Outcome {
    let mut body = problem(code, "not possible with this authorisation as it stands");
    body["state"] = json!(found.state);
    body["authorisation"] = json!(found);
    Outcome { answer: Answer { status: 409, body }, moved: None }
}

fn refusal(status: u16, code: &str, detail: &str) -> Answer {
    Answer { status, body: problem(code, detail) }
}

/// A problem document (RFC 9457).
#[must_use]
pub fn problem(code: &str, detail: &str) -> Value {
    json!({ "type": format!("/problems/{}", code.replace('_', "-")), "code": code, "detail": detail })
}
