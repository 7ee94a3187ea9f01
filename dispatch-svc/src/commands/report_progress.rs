//! Riders report the progress of a delivery. A report that skips states applies the transitions in between; one that is
//! repeated changes nothing.
//!
//! A hand-over is believed also when it is reported late, while the food is on its way back: the PIN proves it.

use chrono::{DateTime, TimeDelta, Utc};
use pannier_contracts::delivery::{DeliveryState, FailureReason};
use pannier_contracts::{DeliveryId, IllegalTransition, RiderId, catch_up};
use pannier_platform::{Cause, Conn, Refusal, alarms};

use super::apply_trigger::{TransitionDetails, apply_trigger};
use super::refusals::{customer_wait_not_over, reassigned};
use crate::domain::lifecycle::{DeliveryLifecycle, Trigger};
use crate::domain::{actions, deadlines, pin};
use crate::store::{self, Delivery};

/// What a rider reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// They are at the counter.
    AtPickup,
    /// They have the food.
    PickedUp,
    /// They are at the door.
    AtDropoff,
    /// They handed the food over.
    Delivered {
        /// The PIN that the customer told them.
        pin: String,
    },
    /// They cannot hand it over, and bring it back to the shop.
    Failed {
        /// Why.
        reason: FailureReason,
    },
    /// They brought the food back to the shop.
    Returned,
}

impl Progress {
    /// The state that it reports, and those after it, in which the report changes nothing.
    const fn reached(&self) -> &'static [DeliveryState] {
        use DeliveryState::{AtDropoff, AtPickup, Delivered, PickedUp, Returned, Returning};
        match self {
            Self::AtPickup => &[AtPickup, PickedUp, AtDropoff, Delivered, Returning, Returned],
            Self::PickedUp => &[PickedUp, AtDropoff, Delivered, Returning, Returned],
            Self::AtDropoff => &[AtDropoff, Delivered],
            Self::Delivered { .. } => &[Delivered],
            Self::Failed { .. } => &[Returning, Returned],
            Self::Returned => &[Returned],
        }
    }

    /// The triggers that it may apply: those up to its own. A report of arrival hands nothing over.
    const fn permitted(&self) -> &'static [Trigger] {
        const ON_THE_WAY: &[Trigger] =
            &[Trigger::ArriveAtPickup, Trigger::PickUp, Trigger::ArriveAtDropoff, Trigger::Deliver];
        match self {
            Self::AtPickup => ON_THE_WAY.split_at(1).0,
            Self::PickedUp => ON_THE_WAY.split_at(2).0,
            Self::AtDropoff => ON_THE_WAY.split_at(3).0,
            Self::Delivered { .. } => ON_THE_WAY,
            Self::Failed { .. } => &[Trigger::TurnBack],
            Self::Returned => &[Trigger::ArriveBack],
        }
    }

    const fn trigger(&self) -> Trigger {
        match self {
            Self::AtPickup => Trigger::ArriveAtPickup,
            Self::PickedUp => Trigger::PickUp,
            Self::AtDropoff => Trigger::ArriveAtDropoff,
            Self::Delivered { .. } => Trigger::Deliver,
            Self::Failed { .. } => Trigger::TurnBack,
            Self::Returned => Trigger::ArriveBack,
        }
    }

    /// The code that the delivery keeps.
    const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Failed { reason } => Some(reason.as_str()),
            _ => None,
        }
    }
}

/// A rider's report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What they report.
    pub progress: Progress,
    /// When it happened, if they report it later.
    pub occurred_at: Option<DateTime<Utc>>,
}

/// Applies a report to the rider's delivery.
///
/// # Errors
/// [`Refusal::NotFound`] when the delivery never was theirs; [`Refusal::Illegal`] `reassigned`, `order_cancelled` or
/// `illegal_transition`; [`Refusal::Invalid`] `wrong_pin`; [`Refusal::TooEarly`] `customer_wait_not_over`.
pub async fn report_progress(
    conn: &mut Conn,
    cause: &Cause,
    rider: RiderId,
    id: DeliveryId,
    report: &Report,
) -> Result<Delivery, Refusal> {
    let Report { progress, occurred_at } = report;
    let (mut delivery, now) = store::deliveries::lock_with_now(conn, id).await?;
    if delivery.rider_id != Some(rider) {
        return match store::offers::last_accepted(conn, id, rider).await? {
            Some(_) => Err(reassigned(&delivery)),
            None => Err(Refusal::NotFound("delivery")),
        };
    }
    let path = catch_up::<DeliveryLifecycle>(delivery.state, progress.reached(), progress.permitted())
        .ok_or_else(|| refused(&delivery, progress))?;
    if let Progress::Delivered { pin } = progress
        && !path.is_empty()
        && pin::hash(delivery.order_id, pin) != delivery.pin_hash
    {
        return Err(Refusal::Invalid {
            code: "wrong_pin",
            detail: "that is not the customer's PIN".to_owned(),
            pointer: Some("/pin".to_owned()),
        });
    }
    if !path.is_empty() && *progress == (Progress::Failed { reason: FailureReason::CustomerAbsent }) {
        let policy = store::zones::policy(conn, &delivery.zone_id).await?;
        let left = deadlines::customer_wait_left(delivery.at_dropoff_at, &policy, now);
        if left > TimeDelta::zero() {
            return Err(customer_wait_not_over(&delivery, left));
        }
    }
    let was = delivery.state;
    for trigger in path {
        let (occurred_at, reason) = (*occurred_at, progress.reason());
        let details = TransitionDetails { occurred_at, reason, ..TransitionDetails::at(now) };
        delivery = apply_trigger(conn, cause, &delivery, trigger, details).await?;
    }
    if (was, delivery.state) == (DeliveryState::Returning, DeliveryState::Delivered) {
        let detail = "the food was handed over although it was to go back to the shop; the refund stands";
        alarms::raise(conn, "delivered_while_returning", "delivery", id.0, detail).await?;
    }
    Ok(delivery)
}

fn refused(delivery: &Delivery, progress: &Progress) -> Refusal {
    let allowed = actions::owned(actions::of_carried(delivery.state));
    if delivery.state == DeliveryState::Cancelled {
        return Refusal::Illegal {
            code: "order_cancelled",
            detail: "the order was cancelled: leave the food".to_owned(),
            state: delivery.state.to_string(),
            allowed,
        };
    }
    let e = IllegalTransition {
        lifecycle: "delivery",
        from: delivery.state.to_string(),
        trigger: progress.trigger().to_string(),
    };
    Refusal::illegal(&e, allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_every_report() {
        let pin = String::new();
        let reports = [
            Progress::AtPickup,
            Progress::PickedUp,
            Progress::AtDropoff,
            Progress::Delivered { pin },
            Progress::Failed { reason: FailureReason::RiderUnable },
            Progress::Returned,
        ];
        let mut out = String::new();
        for state in DeliveryState::ALL {
            for progress in &reports {
                let path = catch_up::<DeliveryLifecycle>(*state, progress.reached(), progress.permitted());
                let result = path.map_or("refused".to_owned(), |path| format!("{path:?}"));
                out.push_str(&format!("{state:<14} {:<28} {result}\n", progress.trigger()));
            }
        }
        insta::assert_snapshot!(out);
    }
}
