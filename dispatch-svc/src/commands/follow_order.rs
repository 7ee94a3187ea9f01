//! An event of an order: its delivery is opened, gets other times, or ends.

use chrono::{DateTime, Utc};
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_platform::consumer::Effect;
use pannier_platform::{Cause, Conn, Refusal, alarms, timers};

use super::apply_trigger::{TransitionDetails, apply_trigger, schedule_deadlines};
use crate::domain::following::{Action, action};
use crate::domain::lifecycle::{Trigger, is_unassigned};
use crate::store::deliveries::Times;
use crate::store::{self, Delivery};

/// Does what the order's state requires of its delivery.
pub async fn follow_order(conn: &mut Conn, cause: &Cause, order: &OrderSnapshot) -> Result<Effect, Refusal> {
    let delivery = store::deliveries::lock_by_order(conn, order.id).await?;
    let action = action(delivery.as_ref().map(|d| d.state), order.state);
    match (action, delivery) {
        (Action::Open, _) => open(conn, cause, order).await?,
        (Action::Replan, Some(delivery)) => replan(conn, cause, order, &delivery).await?,
        (Action::Apply(path), Some(mut delivery)) => {
            let reason = order.reason.as_deref().unwrap_or(order.state.as_str());
            for trigger in path {
                let details = TransitionDetails { reason: Some(reason), ..TransitionDetails::default() };
                delivery = apply_trigger(conn, cause, &delivery, trigger, details).await?;
            }
        }
        (Action::TooLate, Some(delivery)) => {
            let detail = format!("order {} became {} after it was delivered", order.id, order.state);
            alarms::raise(conn, "delivered_after_cancel", "delivery", delivery.id.0, &detail).await?;
            return Ok(Effect::Late(detail));
        }
        (Action::None | Action::Replan | Action::Apply(_) | Action::TooLate, _) => {}
    }
    Ok(Effect::Done)
}

async fn open(conn: &mut Conn, cause: &Cause, order: &OrderSnapshot) -> Result<(), Refusal> {
    let now = timers::now(conn).await?;
    let ready_at = ready_at(order, None, now);
    let delivery = store::deliveries::insert(conn, cause, order, ready_at, now).await?;
    tracing::info!(order.id = %order.id, delivery.id = %delivery.id, "Order {} has delivery {}", order.id, delivery.id);
    if order.state == OrderState::Ready {
        store::deliveries::set_ready_seen(conn, delivery.id, now).await?;
    }
    search_if_due(conn, cause, &delivery, now).await
}

async fn replan(conn: &mut Conn, cause: &Cause, order: &OrderSnapshot, delivery: &Delivery) -> Result<(), Refusal> {
    let now = timers::now(conn).await?;
    let ready_at = ready_at(order, Some(delivery.ready_at), now);
    // Kept even where the ready time does not change: it tells how late the kitchen was.
    let seen = (order.state == OrderState::Ready).then_some(now);
    let ready_seen_at = delivery.ready_seen_at.or(seen);
    let is_same = ready_at == delivery.ready_at && order.promise_at == delivery.promise_at;
    if is_same && ready_seen_at == delivery.ready_seen_at {
        return Ok(());
    }
    let times = Times { ready_at, promise_at: order.promise_at, ready_seen_at };
    let delivery = store::deliveries::update_times(conn, cause, delivery, times).await?;
    if !is_same && is_unassigned(delivery.state) {
        search_if_due(conn, cause, &delivery, now).await?;
    }
    Ok(())
}

/// Sets the timers that follow from the ready time. A search that is due already begins at once.
async fn search_if_due(conn: &mut Conn, cause: &Cause, delivery: &Delivery, now: DateTime<Utc>) -> Result<(), Refusal> {
    let deadlines = schedule_deadlines(conn, delivery).await?;
    if now < deadlines.at_risk_at {
        alarms::resolve(conn, delivery.id.0).await?;
    }
    if delivery.state == DeliveryState::Scheduled && deadlines.search_at <= now {
        apply_trigger(conn, cause, delivery, Trigger::Search, TransitionDetails::at(now)).await?;
    }
    Ok(())
}

/// The ready time of an order; at most now when it is ready. `known` is the delivery's ready time.
fn ready_at(order: &OrderSnapshot, known: Option<DateTime<Utc>>, now: DateTime<Utc>) -> DateTime<Utc> {
    let planned = order.ready_at.or(known).unwrap_or(now);
    match order.state {
        OrderState::Ready => planned.min(known.unwrap_or(now)).min(now),
        _ => planned,
    }
}
