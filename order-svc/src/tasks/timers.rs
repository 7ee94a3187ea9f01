//! An order's timers. A timer that fires when its order has left the state it was set for does nothing.

use async_trait::async_trait;
use pannier_contracts::OrderId;
use pannier_contracts::order::OrderState;
use pannier_platform::timers::{Due, OnTimer};
use pannier_platform::{Cause, Conn, Refusal, alarms};

use crate::commands::apply_trigger::{TransitionDetails, apply_trigger};
use crate::domain::deadlines::{KITCHEN_LATE, expiry};
use crate::store::orders::{self, VisibleTo};

/// Expires orders, and raises the alarm of a late kitchen.
#[derive(Debug)]
pub struct OrderTimers;

#[async_trait]
impl OnTimer for OrderTimers {
    async fn fire(&self, conn: &mut Conn, cause: &Cause, due: &Due) -> Result<(), Refusal> {
        let order = orders::load(conn, OrderId(due.aggregate_id), VisibleTo::Anyone).await?;
        if let Some(expiry) = expiry(order.state).filter(|expiry| expiry.timer == due.kind) {
            let details = TransitionDetails::because(expiry.reason);
            apply_trigger(conn, cause, &order, expiry.trigger, details).await?;
        }
        // Locked, so that a concurrent transition, which resolves the alarm, comes either before or after it.
        if due.kind == KITCHEN_LATE && orders::lock_state(conn, order.id).await? == OrderState::Accepted {
            let detail = "accepted, and long past its ready time";
            alarms::raise(conn, KITCHEN_LATE, "order", order.id.0, detail).await?;
        }
        Ok(())
    }
}
