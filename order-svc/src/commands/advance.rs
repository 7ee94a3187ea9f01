//! One step of an order: the table decides, the version guards, timers and payment follow.
//!
//! Every command and every handler of news ends here, so that entering a state always means the same.

use std::time::Duration;

use chrono::{DateTime, Utc};
use pannier_contracts::order::OrderState;
use pannier_contracts::{Lifecycle as _, Version};
use pannier_platform::{Cause, Conn, Refusal, alarms, timers};

use crate::domain::lifecycle::{OrderLifecycle, Trigger};
use crate::payments::reconciler::{Target, wanted};
use crate::store;
use crate::store::orders::{Change, Order};

/// Nobody paid for so long: expired.
pub const PAYMENT_TIMER: &str = "payment";
/// The shop did not answer for so long: expired.
pub const ACCEPTANCE_TIMER: &str = "acceptance";
/// The kitchen is this late: somebody should look.
pub const KITCHEN_TIMER: &str = "kitchen_late";

const PAYMENT_WAIT: Duration = Duration::from_secs(15 * 60);
const ACCEPTANCE_WAIT: Duration = Duration::from_secs(8 * 60);
const KITCHEN_WAIT: Duration = Duration::from_secs(15 * 60);

/// Why, and what else is known with the step.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// The kitchen's time, with an acceptance.
    pub ready_at: Option<DateTime<Utc>>,
    /// Why, with an ending.
    pub reason: Option<String>,
}

/// Takes one step.
///
/// # Errors
/// `Illegal` when the table has no such step; `Conflict` when somebody was faster.
pub async fn advance(
    conn: &mut Conn,
    cause: &Cause,
    order: &Order,
    trigger: Trigger,
    step: Step,
) -> Result<Order, Refusal> {
    let to = OrderLifecycle::next(order.state, trigger).map_err(|e| Refusal::illegal(&e, Vec::new()))?;
    let change = Change { state: Some(to), ready_at: step.ready_at, reason: step.reason };
    let after = store::orders::advance(conn, cause, order, event(to), change).await?;
    entered(conn, &after, order.state).await?;
    tracing::info!(order.id = %after.id, state = %after.state, reason = after.reason, "Order {} is {}", after.id, after.state);
    Ok(after)
}

/// The past-tense word that announces a state.
fn event(state: OrderState) -> &'static str {
    match state {
        OrderState::PendingPayment => "placed",
        other => other.as_str(),
    }
}

/// What entering a state means besides the row: its timers, and what the payment should be now.
///
/// # Errors
/// What the database says.
pub async fn entered(conn: &mut Conn, order: &Order, from: OrderState) -> Result<(), Refusal> {
    let id = order.id.0;
    // Each state has one timer at most: only the one that may be there is removed.
    match from {
        _ if order.version == Version::FIRST => {}
        OrderState::PendingPayment => timers::clear(conn, id, &[PAYMENT_TIMER]).await?,
        OrderState::Paid => timers::clear(conn, id, &[ACCEPTANCE_TIMER]).await?,
        OrderState::Accepted => {
            timers::clear(conn, id, &[KITCHEN_TIMER]).await?;
            alarms::resolve(conn, id).await?;
        }
        _ => alarms::resolve(conn, id).await?,
    }
    match order.state {
        OrderState::PendingPayment => timers::set_in(conn, "order", id, PAYMENT_TIMER, PAYMENT_WAIT).await?,
        OrderState::Paid => timers::set_in(conn, "order", id, ACCEPTANCE_TIMER, ACCEPTANCE_WAIT).await?,
        OrderState::Accepted => {
            if let Some(ready_at) = order.ready_at {
                timers::set(conn, "order", id, KITCHEN_TIMER, ready_at + KITCHEN_WAIT).await?;
            }
        }
        _ => {}
    }
    if Target::of(from) != Target::of(order.state) {
        let wanted = wanted(order.payment.state, order.state);
        store::payments::wake(conn, &order.payment, wanted).await?;
    }
    Ok(())
}
