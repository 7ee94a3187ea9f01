//! Refusals of answers and reports of riders that come too late. Each has a code for the rider's app.

use chrono::TimeDelta;
use pannier_contracts::IllegalTransition;
use pannier_contracts::offer::OfferState;
use pannier_platform::Refusal;

use crate::domain::actions;
use crate::domain::lifecycle::{OfferTrigger, Trigger};
use crate::store::{Delivery, Offer};

/// The delivery was taken from this rider. It has another one, or one is searched for.
pub(super) fn reassigned(delivery: &Delivery) -> Refusal {
    Refusal::Illegal {
        code: "reassigned",
        detail: "this delivery was given to somebody else".to_owned(),
        state: delivery.state.to_string(),
        allowed: Vec::new(),
    }
}

/// The rider has not waited at the door for long enough to report the customer absent.
pub(super) fn customer_wait_not_over(delivery: &Delivery, left: TimeDelta) -> Refusal {
    let wait_ms = left.num_milliseconds();
    let detail = match delivery.at_dropoff_at {
        Some(_) => format!("wait for the customer for {} s more", (wait_ms + 999) / 1_000),
        None => "report that you are at the door, and wait there for the customer".to_owned(),
    };
    Refusal::TooEarly {
        code: "customer_wait_not_over",
        detail,
        state: delivery.state.to_string(),
        allowed: actions::owned(actions::of_carried(delivery.state)),
        wait_ms,
    }
}

/// Operations cannot do this to the delivery in its present state.
pub(super) fn not_in_this_state(delivery: &Delivery, tried: Trigger) -> Refusal {
    let (from, trigger) = (delivery.state.to_string(), tried.to_string());
    let e = IllegalTransition { lifecycle: "delivery", from, trigger };
    Refusal::illegal(&e, actions::owned(actions::of_ops(delivery.state)))
}

/// The offer cannot be answered any more.
pub(super) fn offer_closed(offer: &Offer, tried: OfferTrigger) -> Refusal {
    let (code, detail, state) = match offer.state {
        // A `sent` offer that cannot be answered has expired. Its timer has not fired yet.
        OfferState::Sent | OfferState::Expired => {
            ("offer_expired", "the offer was not answered in time".to_owned(), OfferState::Expired)
        }
        OfferState::Revoked => {
            let detail = match offer.reason.as_deref() {
                Some("already_assigned") => "another rider took it".to_owned(),
                Some(reason) => format!("the offer was taken back: {reason}"),
                None => "the offer was taken back".to_owned(),
            };
            ("offer_revoked", detail, OfferState::Revoked)
        }
        state @ (OfferState::Accepted | OfferState::Declined) => {
            let e = IllegalTransition { lifecycle: "offer", from: state.to_string(), trigger: tried.to_string() };
            ("illegal_transition", e.to_string(), state)
        }
    };
    Refusal::Illegal { code, detail, state: state.to_string(), allowed: Vec::new() }
}
