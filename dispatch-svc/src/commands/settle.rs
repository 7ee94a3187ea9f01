//! Operations decide about food on the road: it goes back to the shop, it has arrived there, or the delivery is settled
//! because its rider or its food is lost. What they write about it is in the log; the delivery keeps a code.

use pannier_contracts::delivery::{CALLED_BACK, DeliveryState, FailureReason, LossReason};
use pannier_contracts::{DeliveryId, LifecycleTable as _, Role, Version, text_enum};
use pannier_platform::{Cause, Conn, Refusal};

use super::apply_trigger::{TransitionDetails, apply_trigger};
use super::refusals::not_in_this_state;
use crate::domain::lifecycle::{DeliveryLifecycle, Trigger};
use crate::store::{self, Delivery};

text_enum! {
    /// What became of food whose rider does not tell.
    pub enum Outcome {
        /// Nobody has it.
        Lost => "lost",
        /// The customer has it.
        Delivered => "delivered",
        /// The shop has it.
        Returned => "returned",
    }
}

impl Outcome {
    const fn state(self) -> DeliveryState {
        match self {
            Self::Lost => DeliveryState::Failed,
            Self::Delivered => DeliveryState::Delivered,
            Self::Returned => DeliveryState::Returned,
        }
    }

    const fn trigger(self) -> Trigger {
        match self {
            Self::Lost => Trigger::Fail,
            Self::Delivered => Trigger::Deliver,
            Self::Returned => Trigger::ArriveBack,
        }
    }
}

/// Sends the food back to the shop, for one of a rider's reasons or another one that `note` has. Succeeds when it is on its
/// way back already.
///
/// # Errors
/// [`Refusal::NotFound`]; [`Refusal::Stale`] when it is not at the version `seen`; [`Refusal::Illegal`] when no rider has
/// the food.
pub async fn call_back(
    conn: &mut Conn,
    cause: &Cause,
    id: DeliveryId,
    seen: Version,
    reason: Option<FailureReason>,
    note: &str,
) -> Result<Delivery, Refusal> {
    let reason = Some(reason.map_or(CALLED_BACK, FailureReason::as_str));
    let by = Decision { action: "return", to: DeliveryState::Returning, tried: Trigger::TurnBack, reason, note };
    decide(conn, cause, id, seen, by).await
}

/// The food is back at the shop: the shop says so. Succeeds when that is known already.
///
/// # Errors
/// As [`call_back`]; [`Refusal::Illegal`] when it is not on its way back.
pub async fn arrive_back(conn: &mut Conn, cause: &Cause, id: DeliveryId, seen: Version) -> Result<Delivery, Refusal> {
    let by = Decision {
        action: "returned",
        to: DeliveryState::Returned,
        tried: Trigger::ArriveBack,
        reason: None,
        note: "",
    };
    decide(conn, cause, id, seen, by).await
}

/// Ends a delivery whose rider or food is lost, and frees the rider. Succeeds when it has ended so already.
///
/// # Errors
/// As [`call_back`].
pub async fn settle(
    conn: &mut Conn,
    cause: &Cause,
    id: DeliveryId,
    seen: Version,
    outcome: Outcome,
    reason: LossReason,
    note: &str,
) -> Result<Delivery, Refusal> {
    let (to, tried) = (outcome.state(), outcome.trigger());
    let by = Decision { action: "settle", to, tried, reason: Some(reason.as_str()), note };
    decide(conn, cause, id, seen, by).await
}

/// What operations do to a delivery.
struct Decision<'a> {
    /// In the table of the lifecycle.
    action: &'static str,
    /// The state that it leads to.
    to: DeliveryState,
    /// What it is called when it is refused.
    tried: Trigger,
    /// The code that the delivery keeps. One that it has because it is on its way back stays, unless it is lost.
    reason: Option<&'static str>,
    /// What they wrote: for the log.
    note: &'a str,
}

async fn decide(
    conn: &mut Conn,
    cause: &Cause,
    id: DeliveryId,
    seen: Version,
    by: Decision<'_>,
) -> Result<Delivery, Refusal> {
    let (mut delivery, now) = store::deliveries::lock_seen(conn, id, seen).await?;
    if delivery.state == by.to {
        return Ok(delivery);
    }
    let path = DeliveryLifecycle::path(delivery.state, Role::Ops, by.action, by.to)
        .ok_or_else(|| not_in_this_state(&delivery, by.tried))?;
    for trigger in path {
        let details = TransitionDetails { reason: by.reason, ..TransitionDetails::at(now) };
        delivery = apply_trigger(conn, cause, &delivery, *trigger, details).await?;
    }
    let (action, reason, note, actor) = (by.action, by.reason, by.note, &cause.actor);
    tracing::info!(delivery.id = %id, action, reason, note, actor, "Delivery {id} is {}: {action} by {actor}", delivery.state);
    Ok(delivery)
}
