//! An order's timers. Each fires as a step of the table: where the table has none, the timer came too late and does nothing.

use async_trait::async_trait;
use pannier_contracts::order::OrderState;
use pannier_contracts::{Lifecycle as _, OrderId};
use pannier_platform::timers::{Due, OnTimer};
use pannier_platform::{Cause, Conn, Refusal, alarms};

use crate::commands::advance::{ACCEPTANCE_TIMER, KITCHEN_TIMER, PAYMENT_TIMER, Step, advance};
use crate::domain::lifecycle::{OrderLifecycle, Trigger};
use crate::store::orders::{self, Of};

/// What fires.
#[derive(Debug)]
pub struct OrderTimers;

#[async_trait]
impl OnTimer for OrderTimers {
    async fn fire(&self, conn: &mut Conn, cause: &Cause, due: &Due) -> Result<(), Refusal> {
        let order = orders::load(conn, OrderId(due.aggregate_id), Of::Anyone).await?;
        let (trigger, reason) = match due.kind.as_str() {
            PAYMENT_TIMER => (Trigger::ExpirePayment, "not_paid_in_time"),
            ACCEPTANCE_TIMER => (Trigger::ExpireAcceptance, "not_answered_in_time"),
            // Locked: an order that moves in this moment settles the alarm, and is not passed by it.
            KITCHEN_TIMER if orders::lock_state(conn, order.id).await? == OrderState::Accepted => {
                return alarms::raise(
                    conn,
                    "kitchen_late",
                    "order",
                    order.id.0,
                    "accepted, and long past its ready time",
                )
                .await;
            }
            _ => return Ok(()),
        };
        if OrderLifecycle::table(order.state, trigger).is_some() {
            advance(conn, cause, &order, trigger, Step { reason: Some(reason.to_owned()), ..Default::default() })
                .await?;
        }
        Ok(())
    }
}
