//! Riders report the progress of a delivery. A report that skips states applies the transitions in between; one that is
//! repeated changes nothing.

use chrono::{DateTime, Utc};
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::{DeliveryId, IllegalTransition, RiderId, catch_up};
use pannier_platform::{Cause, Conn, Refusal};

use super::apply_trigger::{TransitionDetails, apply_trigger};
use super::refusals::reassigned;
use crate::domain::lifecycle::{DeliveryLifecycle, Trigger};
use crate::domain::{actions, pin};
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
            Self::Returned => &[Returned],
        }
    }

    /// The triggers that it may apply.
    const fn permitted(&self) -> &'static [Trigger] {
        match self {
            Self::Returned => &[Trigger::ArriveBack],
            _ => &[Trigger::ArriveAtPickup, Trigger::PickUp, Trigger::ArriveAtDropoff, Trigger::Deliver],
        }
    }

    const fn trigger(&self) -> Trigger {
        match self {
            Self::AtPickup => Trigger::ArriveAtPickup,
            Self::PickedUp => Trigger::PickUp,
            Self::AtDropoff => Trigger::ArriveAtDropoff,
            Self::Delivered { .. } => Trigger::Deliver,
            Self::Returned => Trigger::ArriveBack,
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
/// `illegal_transition`; [`Refusal::Invalid`] `wrong_pin`.
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
    for trigger in path {
        let details = TransitionDetails { occurred_at: *occurred_at, ..TransitionDetails::at(now) };
        delivery = apply_trigger(conn, cause, &delivery, trigger, details).await?;
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
