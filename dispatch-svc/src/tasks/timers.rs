//! What happens when a timer fires. Each checks the state first, so that firing late or twice is harmless.

use async_trait::async_trait;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::{DeliveryId, OfferId};
use pannier_platform::timers::{Due, OnTimer};
use pannier_platform::{Cause, Conn, Refusal, alarms, timers};

use crate::commands::apply_trigger::{TransitionDetails, apply_trigger};
use crate::commands::close_offers;
use crate::domain::deadlines::{self, kind};
use crate::domain::lifecycle::{Trigger, is_unassigned};
use crate::store::{self, Delivery};

/// A rider who is nearer to the shop than this waits for the food, metres.
const ARRIVED_M: f64 = 100.0;
/// A rider who has moved less than this stands still, metres: positions are inexact.
const JITTER_M: f64 = 30.0;

/// The timers of dispatch-svc.
#[derive(Debug, Clone, Copy)]
pub struct DispatchTimers;

#[async_trait]
impl OnTimer for DispatchTimers {
    async fn fire(&self, conn: &mut Conn, cause: &Cause, due: &Due) -> Result<(), Refusal> {
        if due.kind == kind::EXPIRY {
            return match store::offers::find(conn, OfferId(due.aggregate_id)).await? {
                Some(offer) => close_offers::expire(conn, cause, offer.delivery_id).await,
                None => Ok(()),
            };
        }
        let delivery = store::deliveries::lock(conn, DeliveryId(due.aggregate_id)).await?;
        match due.kind.as_str() {
            kind::SEARCH if delivery.state == DeliveryState::Scheduled => {
                let details = TransitionDetails::default();
                apply_trigger(conn, cause, &delivery, Trigger::Search, details).await.map(drop)
            }
            kind::AT_RISK if is_unassigned(delivery.state) => {
                alarm(conn, kind::AT_RISK, &delivery, "no rider yet, and the food is ready").await
            }
            kind::GIVE_UP if is_unassigned(delivery.state) => {
                let details = TransitionDetails { reason: Some("no_rider"), ..TransitionDetails::default() };
                apply_trigger(conn, cause, &delivery, Trigger::GiveUp, details).await.map(drop)
            }
            kind::NO_MOVEMENT if delivery.state == DeliveryState::Assigned => check_movement(conn, &delivery).await,
            kind::RIDE if matches!(delivery.state, DeliveryState::PickedUp | DeliveryState::AtDropoff) => {
                alarm(conn, kind::RIDE, &delivery, "the food has been on the road for 45 minutes").await
            }
            kind::RETURN if delivery.state == DeliveryState::Returning => {
                alarm(conn, kind::RETURN, &delivery, "the food has been on its way back for 60 minutes").await
            }
            _ => Ok(()),
        }
    }
}

/// Raises an alarm when the rider has not moved since the last check and is not at the shop, and schedules the next check.
async fn check_movement(conn: &mut Conn, delivery: &Delivery) -> Result<(), Refusal> {
    let Some(rider) = delivery.rider_id else { return Ok(()) };
    let place = store::riders::load(conn, rider).await?.last_place;
    let before = delivery.watched_place;
    let is_fine = place.is_some_and(|here| {
        here.distance_m(&delivery.pickup) <= ARRIVED_M
            || before.is_none_or(|before| here.distance_m(&before) > JITTER_M)
    });
    if is_fine {
        alarms::resolve(conn, delivery.id.0).await?;
    } else {
        alarm(conn, "no_movement", delivery, "its rider has not moved for five minutes").await?;
    }
    store::deliveries::set_watched_place(conn, delivery.id, place).await?;
    timers::set_in(conn, "delivery", delivery.id.0, kind::NO_MOVEMENT, deadlines::NO_MOVEMENT).await
}

async fn alarm(conn: &mut Conn, kind: &str, delivery: &Delivery, detail: &str) -> Result<(), Refusal> {
    alarms::raise(conn, kind, "delivery", delivery.id.0, detail).await
}
