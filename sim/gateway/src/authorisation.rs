//! The rules of one payment: which operations its state allows, and their answers. Pure.

use serde::Serialize;
use serde_json::json;

use crate::operation::{Answer, Kind, Request};
use crate::token::{self, Card};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Authorised,
    Captured,
    Voided,
    PartiallyRefunded,
    Refunded,
}

/// A payment whose amount was reserved.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Authorisation {
    id: String,
    reference: String,
    state: State,
    amount: i64,
    pub(crate) currency: String,
    captured: i64,
    refunded: i64,
    /// The token that it was authorised with. It says how this payment misbehaves.
    #[serde(skip)]
    pub(crate) method: String,
}

/// The answer of an operation that is stored, and the amount that it moves.
pub(crate) struct Outcome {
    pub answer: Answer,
    pub moved: Option<i64>,
}

impl Outcome {
    fn refused(answer: Answer) -> Self {
        Self { answer, moved: None }
    }
}

impl Authorisation {
    /// An authorised payment.
    pub(crate) fn new(id: String, request: &Request, amount: i64) -> Self {
        Self {
            id,
            reference: request.reference.clone(),
            state: State::Authorised,
            amount,
            currency: request.currency.clone().unwrap_or_default(),
            captured: 0,
            refunded: 0,
            method: request.method.clone().unwrap_or_default(),
        }
    }

    /// Records an operation that has moved this amount.
    pub(crate) fn move_money(&mut self, kind: Kind, amount: i64) {
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

    /// Decides a capture, void or refund.
    pub(crate) fn change(&self, request: &Request) -> Outcome {
        let left = self.captured - self.refunded;
        let moved = match (request.kind, self.state) {
            (Kind::Capture | Kind::Void, State::Authorised) => self.amount,
            (Kind::Refund, State::Captured | State::PartiallyRefunded) => {
                let amount = request.amount.unwrap_or(left);
                if amount <= 0 || amount > left {
                    return self.conflict("refund_exceeds_capture");
                }
                amount
            }
            _ => return self.conflict("illegal_transition"),
        };
        let mut after = self.clone();
        after.move_money(request.kind, moved);
        Outcome { answer: Answer { status: 200, body: json!(after) }, moved: Some(moved) }
    }

    fn conflict(&self, code: &str) -> Outcome {
        let answer = Answer::problem(409, code, "not possible with this authorisation as it stands");
        Outcome::refused(answer.with("state", self.state).with("authorisation", self))
    }
}

/// Decides an authorisation.
///
/// # Errors
/// The answer to a request that is no authorisation at all. It is not stored.
pub(crate) fn authorise(
    request: &Request,
    found: Option<&Authorisation>,
    id: impl FnOnce() -> String,
) -> Result<Outcome, Answer> {
    let amount = request.amount.filter(|a| *a > 0);
    let currency = request.currency.as_deref().filter(|c| c.len() == 3 && c.bytes().all(|b| b.is_ascii_uppercase()));
    let (Some(amount), Some(_), false) = (amount, currency, request.reference.is_empty()) else {
        let detail = "reference, a positive amount in minor units and a currency of three capital letters are needed";
        return Err(Answer::problem(422, "invalid_authorisation", detail));
    };
    if let Some(found) = found {
        return Ok(found.conflict("already_authorised"));
    }
    let card = token::parse(request.method.as_deref().unwrap_or_default());
    match card.map_err(|detail| Answer::problem(422, "unknown_method", &detail))? {
        (Card::Good, _) => {
            let made = Authorisation::new(id(), request, amount);
            Ok(Outcome { answer: Answer { status: 201, body: json!(made) }, moved: Some(amount) })
        }
        (Card::Declined, _) => Ok(declined(request)),
    }
}

/// The card is declined.
pub(crate) fn declined(request: &Request) -> Outcome {
    let answer = Answer::problem(402, "card_declined", "the card was declined").with("reference", &request.reference);
    let answer = answer.with("amount", request.amount).with("currency", &request.currency);
    Outcome::refused(answer.with("state", "declined"))
}

/// An operation that its payment would allow is refused all the same: 402 where money would come, 409 where it would go.
pub(crate) fn refused(request: &Request) -> Outcome {
    let status = if matches!(request.kind, Kind::Authorise | Kind::Capture) { 402 } else { 409 };
    let answer = Answer::problem(status, "refused", "the bank refuses this operation");
    Outcome::refused(answer.with("reference", &request.reference))
}
