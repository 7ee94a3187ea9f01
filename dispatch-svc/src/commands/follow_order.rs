//! News of an order: its delivery is opened, planned anew, or ended.

use chrono::{DateTime, Utc};
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_platform::consumer::Effect;
use pannier_platform::{Cause, Conn, Refusal, alarms, timers};

use super::advance::{How, advance, set_moments};
use crate::domain::lifecycle::{Trigger, is_unassigned};
use crate::domain::news::{Step, step};
use crate::store::deliveries::Times;
use crate::store::{self, Delivery};

/// Makes true here what the order's state implies.
///
/// # Errors
/// `Conflict` when the delivery changed in this moment.
pub async fn follow_order(conn: &mut Conn, cause: &Cause, order: &OrderSnapshot) -> Result<Effect, Refusal> {
    let delivery = store::deliveries::lock_of_order(conn, order.id).await?;
    let todo = step(delivery.as_ref().map(|d| d.state), order.state);
    match (todo, delivery) {
        (Step::Open, _) => open(conn, cause, order).await?,
        (Step::Replan, Some(delivery)) => replan(conn, cause, order, &delivery).await?,
        (Step::Walk(path), Some(mut delivery)) => {
            let reason = order.reason.as_deref().unwrap_or(order.state.as_str());
            for trigger in path {
                let how = How { reason: Some(reason), ..How::default() };
                delivery = advance(conn, cause, &delivery, trigger, how).await?;
            }
        }
        (Step::TooLate, Some(delivery)) => {
            let detail = format!("order {} became {} after it was delivered", order.id, order.state);
            alarms::raise(conn, "delivered_after_cancel", "delivery", delivery.id.0, &detail).await?;
            return Ok(Effect::Late(detail));
        }
        (Step::Nothing | Step::Replan | Step::Walk(_) | Step::TooLate, _) => {}
    }
    Ok(Effect::Done)
}

async fn open(conn: &mut Conn, cause: &Cause, order: &OrderSnapshot) -> Result<(), Refusal> {
    let now = timers::now(conn).await?;
    let ready_at = ready_at(order, None, now);
    let delivery = store::deliveries::open(conn, cause, order, ready_at, now).await?;
    tracing::info!(order.id = %order.id, delivery.id = %delivery.id, "Order {} has delivery {}", order.id, delivery.id);
    note_ready(conn, order, &delivery, now).await?;
    search_if_due(conn, cause, &delivery, now).await
}

async fn replan(conn: &mut Conn, cause: &Cause, order: &OrderSnapshot, delivery: &Delivery) -> Result<(), Refusal> {
    let now = timers::now(conn).await?;
    let ready_at = ready_at(order, Some(delivery.ready_at), now);
    // That it is ready only now is worth knowing even where it changes no time: it was due before.
    let seen = (order.state == OrderState::Ready).then_some(now);
    let ready_seen_at = delivery.ready_seen_at.or(seen);
    let is_same = ready_at == delivery.ready_at && order.promise_at == delivery.promise_at;
    if is_same && ready_seen_at == delivery.ready_seen_at {
        return Ok(());
    }
    let times = Times { ready_at, promise_at: order.promise_at, ready_seen_at };
    let delivery = store::deliveries::replan(conn, cause, delivery, times).await?;
    if !is_same && is_unassigned(delivery.state) {
        search_if_due(conn, cause, &delivery, now).await?;
    }
    Ok(())
}

/// Sets what the times imply; what is due already does not wait for its timer.
async fn search_if_due(conn: &mut Conn, cause: &Cause, delivery: &Delivery, now: DateTime<Utc>) -> Result<(), Refusal> {
    let moments = set_moments(conn, delivery).await?;
    if now < moments.at_risk_at {
        alarms::resolve(conn, delivery.id.0).await?;
    }
    if delivery.state == DeliveryState::Scheduled && moments.search_at <= now {
        advance(conn, cause, delivery, Trigger::Search, How::at(now)).await?;
    }
    Ok(())
}

/// That it is ready only now is worth knowing even where it changes no time: it was due before.
async fn note_ready(
    conn: &mut Conn,
    order: &OrderSnapshot,
    delivery: &Delivery,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    match order.state {
        OrderState::Ready => store::deliveries::note_ready(conn, delivery.id, now).await,
        _ => Ok(()),
    }
}

/// What stands at the counter is ready, whatever was planned.
fn ready_at(order: &OrderSnapshot, known: Option<DateTime<Utc>>, now: DateTime<Utc>) -> DateTime<Utc> {
    let planned = order.ready_at.or(known).unwrap_or(now);
    match order.state {
        OrderState::Ready => planned.min(known.unwrap_or(now)).min(now),
        _ => planned,
    }
}
