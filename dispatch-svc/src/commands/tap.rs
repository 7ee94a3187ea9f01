//! What riders tell of their deliveries. Facts are told, not asked: a tap that jumps ahead walks the legal path,
//! one that comes twice changes nothing.

use chrono::{DateTime, Utc};
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::{DeliveryId, IllegalTransition, RiderId, catch_up};
use pannier_platform::{Cause, Conn, Refusal};

use super::advance::{How, advance};
use crate::domain::lifecycle::{DeliveryLifecycle, Trigger};
use crate::domain::{actions, pin};
use crate::store::{self, Delivery};

/// A tap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tap {
    /// At the counter.
    AtPickup,
    /// The food is in the bag.
    PickedUp,
    /// At the door.
    AtDropoff,
    /// Handed over; the customer told this PIN.
    Delivered {
        /// Four digits.
        pin: String,
    },
    /// Back at the shop.
    Returned,
}

impl Tap {
    /// The state that it tells of, and those that come after it: there it is old news.
    const fn wanted(&self) -> &'static [DeliveryState] {
        use DeliveryState::{AtDropoff, AtPickup, Delivered, PickedUp, Returned, Returning};
        match self {
            Self::AtPickup => &[AtPickup, PickedUp, AtDropoff, Delivered, Returning, Returned],
            Self::PickedUp => &[PickedUp, AtDropoff, Delivered, Returning, Returned],
            Self::AtDropoff => &[AtDropoff, Delivered],
            Self::Delivered { .. } => &[Delivered],
            Self::Returned => &[Returned],
        }
    }

    const fn may(&self) -> &'static [Trigger] {
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

/// Notes what a rider tells.
///
/// # Errors
/// 404 when the delivery never was theirs; 409 `reassigned`, `order_cancelled` or `illegal_transition`; 422 `wrong_pin`.
pub async fn tap(
    conn: &mut Conn,
    cause: &Cause,
    rider: RiderId,
    id: DeliveryId,
    tap: &Tap,
    occurred_at: Option<DateTime<Utc>>,
) -> Result<Delivery, Refusal> {
    let (mut delivery, now) = store::deliveries::lock_now(conn, id).await?;
    if delivery.rider_id != Some(rider) {
        return match store::offers::last_accepted(conn, id, rider).await? {
            Some(_) => Err(reassigned(&delivery)),
            None => Err(Refusal::NotFound("delivery")),
        };
    }
    let path = catch_up::<DeliveryLifecycle>(delivery.state, tap.wanted(), tap.may())
        .ok_or_else(|| refused(&delivery, tap))?;
    if let Tap::Delivered { pin } = tap
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
        delivery = advance(conn, cause, &delivery, trigger, How { occurred_at, ..How::at(now) }).await?;
    }
    Ok(delivery)
}

/// Somebody else carries it, or shall.
pub(super) fn reassigned(delivery: &Delivery) -> Refusal {
    Refusal::Illegal {
        code: "reassigned",
        detail: "this delivery was given to somebody else".to_owned(),
        state: delivery.state.to_string(),
        allowed: Vec::new(),
    }
}

fn refused(delivery: &Delivery, tap: &Tap) -> Refusal {
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
        trigger: tap.trigger().to_string(),
    };
    Refusal::illegal(&e, allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_every_tap() {
        let pin = String::new();
        let taps = [Tap::AtPickup, Tap::PickedUp, Tap::AtDropoff, Tap::Delivered { pin }, Tap::Returned];
        let mut out = String::new();
        for state in DeliveryState::ALL {
            for tap in &taps {
                let path = catch_up::<DeliveryLifecycle>(*state, tap.wanted(), tap.may());
                let told = path.map_or("refused".to_owned(), |path| format!("{path:?}"));
                out.push_str(&format!("{state:<14} {:<28} {told}\n", tap.trigger()));
            }
        }
        insta::assert_snapshot!(out);
    }
}
