//! The gateway's rules: what may happen to an authorisation, and what it answers. Pure: no clock, no file, no HTTP.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Hold an amount.
    Authorise,
    /// Take what is held.
    Capture,
    /// Let go of what is held.
    Void,
    /// Give back what was taken.
    Refund,
}

/// One request, as its idempotency key covers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What is asked for.
    pub kind: Kind,
    /// The caller's name of the payment, for example `pay_…`.
    pub reference: String,
    /// Minor units; for a refund, none means all that is left.
    pub amount: Option<i64>,
    /// Only with an authorisation.
    pub currency: Option<String>,
    /// The card's token, only with an authorisation.
    pub method: Option<String>,
}

/// One acknowledged operation: a line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The caller's operation id: same key, same answer.
    pub key: String,
    /// What was asked.
    pub request: Request,
    /// The HTTP status that was answered.
    pub status: u16,
    /// The body that was answered.
    pub body: Value,
    /// The money that moved by it, minor units; none when it was refused.
    pub moved: Option<i64>,
    /// When it was done.
    pub at: DateTime<Utc>,
}

/// One movement of money.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The caller's name of the payment.
    pub reference: String,
    /// What happened.
    pub kind: Kind,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// The operation that it came from.
    pub operation_key: String,
    /// When.
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

/// Everything that the gateway knows.
#[derive(Debug, Default)]
pub struct Book {
    authorisations: HashMap<String, Authorisation>,
    operations: HashMap<String, Operation>,
    entries: Vec<Entry>,
}

/// What [`Book::decide`] says to a request.
#[derive(Debug, PartialEq)]
pub enum Decision {
    /// The key is known and the request is the same: answer as before.
    Replay(u16, Value),
    /// New: write it down, [`Book::apply`] it, answer it.
    Do(Box<Operation>),
    /// A plain no that is not remembered, because nothing happened.
    Refuse(u16, Value),
}

impl Book {
    /// What the answer to `request` is. Changes nothing.
    #[must_use]
    pub fn decide(&self, key: &str, request: Request, id: impl FnOnce() -> String, at: DateTime<Utc>) -> Decision {
        if let Some(known) = self.operations.get(key) {
            return if known.request == request {
                Decision::Replay(known.status, known.body.clone())
            } else {
                Decision::Refuse(422, problem("idempotency_key_reused", "this key belongs to another request"))
            };
        }
        let existing = self.authorisations.get(&request.reference);
        let (status, body, moved) = match (request.kind, existing) {
            (Kind::Authorise, found) => match authorise(&request, found, id) {
                Ok(answer) => answer,
                Err((status, body)) => return Decision::Refuse(status, body),
            },
            (_, None) => {
                return Decision::Refuse(404, problem("unknown_reference", "no authorisation has this reference"));
            }
            (kind, Some(found)) => change(kind, request.amount, found),
        };
        Decision::Do(Box::new(Operation { key: key.to_owned(), request, status, body, moved, at }))
    }

    /// Remembers an operation: one that was just decided, or one read back from the journal.
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

    /// The stored outcome of an operation.
    #[must_use]
    pub fn operation(&self, key: &str) -> Option<&Operation> {
        self.operations.get(key)
    }

    /// An authorisation as it stands.
    #[must_use]
    pub fn authorisation(&self, reference: &str) -> Option<Value> {
        self.authorisations.get(reference).map(|a| json!(a))
    }

    /// Every movement of money, oldest first.
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

type Answer = (u16, Value, Option<i64>);

fn authorise(
    request: &Request,
    found: Option<&Authorisation>,
    id: impl FnOnce() -> String,
) -> Result<Answer, (u16, Value)> {
    let amount = request.amount.filter(|a| *a > 0);
    let currency = request.currency.as_deref().filter(|c| c.len() == 3 && c.bytes().all(|b| b.is_ascii_uppercase()));
    let (Some(amount), Some(currency), false) = (amount, currency, request.reference.is_empty()) else {
        let detail = "reference, a positive amount in minor units and a currency of three capital letters are needed";
        return Err((422, problem("invalid_authorisation", detail)));
    };
    if let Some(found) = found {
        return Ok(refused("already_authorised", found));
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
            Ok((201, json!(made), Some(amount)))
        }
        Some("tok_declined") => {
            let mut body = problem("card_declined", "the card was declined");
            body["reference"] = json!(request.reference);
            body["state"] = json!("declined");
            body["amount"] = json!(amount);
            body["currency"] = json!(currency);
            Ok((402, body, None))
        }
        _ => Err((422, problem("unknown_method", "the methods are tok_ok and tok_declined"))),
    }
}

fn change(kind: Kind, amount: Option<i64>, found: &Authorisation) -> Answer {
    let left = found.captured - found.refunded;
    let moved = match (kind, found.state) {
        (Kind::Capture | Kind::Void, State::Authorised) => found.amount,
        (Kind::Refund, State::Captured | State::PartiallyRefunded) => {
            let amount = amount.unwrap_or(left);
            if amount <= 0 || amount > left {
                return refused("refund_exceeds_capture", found);
            }
            amount
        }
        _ => return refused("illegal_transition", found),
    };
    let mut after = found.clone();
    after.move_money(kind, moved);
    (200, json!(after), Some(moved))
}

fn refused(code: &str, found: &Authorisation) -> Answer {
    let mut body = problem(code, "not possible with this authorisation as it stands");
    body["state"] = json!(found.state);
    body["authorisation"] = json!(found);
    (409, body, None)
}

/// A refusal in the form of RFC 9457.
#[must_use]
pub fn problem(code: &str, detail: &str) -> Value {
    json!({ "type": format!("/problems/{}", code.replace('_', "-")), "code": code, "detail": detail })
}
