//! The state of the gateway, by the operations that were acknowledged. Pure: no clock, no file, no HTTP.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::authorisation::{Authorisation, Outcome, authorise, declined, refused};
use crate::operation::{Answer, Ending, Entry, Kind, Operation, Request};

/// Authorisations, operations and ledger.
#[derive(Debug, Default)]
pub struct Book {
    authorisations: HashMap<String, Authorisation>,
    operations: HashMap<String, Operation>,
    /// Ascending by `seq`.
    entries: Vec<Entry>,
    last_seq: u64,
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

impl Book {
    /// Decides on `request` without changing the book. `id` makes the id of a new authorisation; `ending` is how the
    /// operation ends if the payment allows it.
    #[must_use]
    pub fn decide(
        &self,
        key: &str,
        request: Request,
        ending: Ending,
        id: impl FnOnce() -> String,
        at: DateTime<Utc>,
    ) -> Decision {
        if let Some(known) = self.operations.get(key) {
            return if known.request == request {
                Decision::Replay(known.answer())
            } else {
                let detail = "this key belongs to another request";
                Decision::Refuse(Answer::problem(422, "idempotency_key_reused", detail))
            };
        }
        let outcome = match (request.kind, self.authorisations.get(&request.reference)) {
            (Kind::Authorise, found) => match authorise(&request, found, id) {
                Ok(outcome) => outcome,
                Err(answer) => return Decision::Refuse(answer),
            },
            (_, None) => return Decision::Refuse(unknown_reference()),
            (_, Some(found)) => found.change(&request),
        };
        let is_allowed = outcome.moved.is_some();
        let Outcome { answer: Answer { status, body }, moved } = match ending {
            Ending::Declined if is_allowed => declined(&request),
            Ending::Refused if is_allowed => refused(&request),
            _ => outcome,
        };
        let forgotten = is_allowed && ending == Ending::Forgotten;
        Decision::Do(Box::new(Operation { key: key.to_owned(), request, status, body, moved, at, forgotten }))
    }

    /// Records an operation that was just decided or was read from the journal.
    pub fn apply(&mut self, operation: Operation) {
        if operation.forgotten {
            self.forget(&operation.request.reference);
            return;
        }
        if let Some(amount) = operation.moved {
            let reference = &operation.request.reference;
            if operation.request.kind == Kind::Authorise {
                let id = operation.body["id"].as_str().unwrap_or_default().to_owned();
                let made = Authorisation::new(id, &operation.request, amount);
                self.authorisations.insert(reference.clone(), made);
            }
            if let Some(a) = self.authorisations.get_mut(reference) {
                a.move_money(operation.request.kind, amount);
                self.last_seq += 1;
                self.entries.push(Entry {
                    seq: self.last_seq,
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

    /// Loses everything about a payment. Numbers of entries are not given again.
    fn forget(&mut self, reference: &str) {
        self.authorisations.remove(reference);
        self.operations.retain(|_, operation| operation.request.reference != reference);
        self.entries.retain(|entry| entry.reference != reference);
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

    /// The token that a payment was authorised with.
    #[must_use]
    pub fn method(&self, reference: &str) -> Option<&str> {
        self.authorisations.get(reference).map(|a| a.method.as_str())
    }

    /// At most `limit` entries of the ledger behind the one with number `after`, oldest first.
    #[must_use]
    pub fn entries(&self, after: u64, limit: usize) -> &[Entry] {
        let rest = &self.entries[self.entries.partition_point(|entry| entry.seq <= after)..];
        &rest[..rest.len().min(limit)]
    }
}

/// The answer about a reference that has no authorisation. It is not stored: the key stays free.
#[must_use]
pub fn unknown_reference() -> Answer {
    Answer::problem(404, "unknown_reference", "no authorisation has this reference")
}
