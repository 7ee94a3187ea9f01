//! What happens when a timer fires: what the lifecycle's table says for the present state. Firing late or twice is harmless.

use async_trait::async_trait;
use pannier_contracts::lifecycle::Then;
use pannier_contracts::{DeliveryId, LifecycleTable as _, OfferId};
use pannier_platform::timers::{Due, OnTimer};
use pannier_platform::{Cause, Conn, Refusal, alarms, timers};

use crate::commands::apply_trigger::{TransitionDetails, apply_trigger};
use crate::commands::close_offers;
use crate::domain::deadlines::{self, kind};
use crate::domain::lifecycle::{DeliveryLifecycle, Trigger};
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
        // None: it was set for a state that the delivery has left.
        let wait = DeliveryLifecycle::wait(delivery.state, &due.kind);
        match wait.map(|wait| wait.then) {
            Some(Then::Move(trigger)) => {
                let reason = (trigger == Trigger::GiveUp).then_some("no_rider");
                let details = TransitionDetails { reason, ..TransitionDetails::default() };
                apply_trigger(conn, cause, &delivery, trigger, details).await.map(drop)
            }
            Some(Then::Alarm(words)) => alarm(conn, &due.kind, &delivery, words).await,
            Some(Then::Watch(words)) => check_movement(conn, &delivery, words).await,
            None => Ok(()),
        }
    }
}

/// Raises an alarm when the rider has not moved since the last check and is not at the shop, and schedules the next check.
async fn check_movement(conn: &mut Conn, delivery: &Delivery, words: &str) -> Result<(), Refusal> {
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
        alarm(conn, kind::NO_MOVEMENT, delivery, words).await?;
    }
    store::deliveries::set_watched_place(conn, delivery.id, place).await?;
    match deadlines::fixed(delivery.state) {
        Some(next) => timers::set_in(conn, "delivery", delivery.id.0, next.kind, next.after).await,
        None => Ok(()),
    }
}

async fn alarm(conn: &mut Conn, kind: &str, delivery: &Delivery, detail: &str) -> Result<(), Refusal> {
    alarms::raise(conn, kind, "delivery", delivery.id.0, detail).await
}
