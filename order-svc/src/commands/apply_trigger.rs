//! One transition of an order, for every command, timer and event handler: the lifecycle decides, the version guards,
//! and timers, alarms and the payment follow the new state.

use chrono::{DateTime, Utc};
use pannier_contracts::Lifecycle as _;
use pannier_contracts::order::OrderState;
use pannier_platform::{Cause, Conn, Json, Refusal, alarms, timers};

use crate::domain::deadlines::{self, KITCHEN_LATE, KITCHEN_LATE_AFTER};
use crate::domain::lifecycle::{OrderLifecycle, Trigger};
use crate::domain::settlement::{Target, first_operation};
use crate::domain::who_pays::who_pays;
use crate::store::{self, Order};

/// What is known about a transition beside its trigger.
#[derive(Debug, Clone, Default)]
pub struct TransitionDetails {
    /// When the kitchen means to be done; comes with an acceptance.
    pub ready_at: Option<DateTime<Utc>>,
    /// Why the order ends.
    pub reason: Option<String>,
}

impl TransitionDetails {
    /// An end with a reason.
    #[must_use]
    pub fn because(reason: impl Into<String>) -> Self {
        Self { ready_at: None, reason: Some(reason.into()) }
    }
}

/// Moves an order by one transition.
///
/// # Errors
/// [`Refusal::Illegal`] when the lifecycle has no such transition, [`Refusal::Conflict`] when a concurrent update won.
pub async fn apply_trigger(
    conn: &mut Conn,
    cause: &Cause,
    order: &Order,
    trigger: Trigger,
    details: TransitionDetails,
) -> Result<Order, Refusal> {
    let state = OrderLifecycle::next(order.state, trigger).map_err(|e| Refusal::illegal(&e, Vec::new()))?;
    let pays = who_pays(trigger, order.state == OrderState::Delivering, details.reason.as_deref());
    let after = Order {
        state,
        refund_share: pays.map_or(order.refund_share, |pays| pays.shares.refund),
        who_pays: pays.map(Json).or_else(|| order.who_pays.clone()),
        ready_at: details.ready_at.or(order.ready_at),
        reason: details.reason.or_else(|| order.reason.clone()),
        ..order.clone()
    };
    let after = store::orders::update(conn, cause, order, after).await?;
    clear_deadline(conn, order).await?;
    schedule_deadline(conn, &after).await?;
    let target = Target::of(after.state, after.refund_share);
    if Target::of(order.state, order.refund_share) != target {
        store::payments::make_due(conn, &after.payment, first_operation(after.payment.state, target)).await?;
    }
    tracing::info!(order.id = %after.id, state = %after.state, reason = after.reason, "Order {} is {}", after.id, after.state);
    Ok(after)
}

/// Removes the timer of the state that an order leaves, and resolves its alarms where there can be any: from acceptance on.
async fn clear_deadline(conn: &mut Conn, before: &Order) -> Result<(), Refusal> {
    if let Some(timer) = deadlines::timer(before.state) {
        timers::clear(conn, before.id.0, &[timer]).await?;
    }
    if deadlines::expiry(before.state).is_none() {
        alarms::resolve(conn, before.id.0).await?;
    }
    Ok(())
}

/// Sets the timer of the state that an order is in.
///
/// # Errors
/// None inside a transaction: the timer is written at its end.
pub async fn schedule_deadline(conn: &mut Conn, order: &Order) -> Result<(), Refusal> {
    if let Some(expiry) = deadlines::expiry(order.state) {
        timers::set_in(conn, "order", order.id.0, expiry.timer, expiry.after).await?;
    }
    if let (OrderState::Accepted, Some(ready_at)) = (order.state, order.ready_at) {
        timers::set(conn, "order", order.id.0, KITCHEN_LATE, ready_at + KITCHEN_LATE_AFTER).await?;
    }
    Ok(())
}
