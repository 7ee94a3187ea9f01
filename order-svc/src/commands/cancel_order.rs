//! Somebody decides against an order: its customer until the shop accepts, operations until pickup.

use pannier_contracts::order::OrderState;
use pannier_contracts::{CustomerId, Lifecycle as _, OrderId, Version};
use pannier_platform::{Cause, Conn, Refusal};

use super::advance::{Step, advance};
use super::place_order::check_text;
use crate::domain::lifecycle::{OrderLifecycle, Trigger, customer_actions, ops_actions};
use crate::store::orders::{self, Of, Order};

/// The customer cancels.
///
/// # Errors
/// `Illegal` when it is too late, with the state that it is in.
pub async fn by_customer(
    conn: &mut Conn,
    cause: &Cause,
    customer: CustomerId,
    id: OrderId,
    reason: Option<String>,
) -> Result<Order, Refusal> {
    let reason = reason.unwrap_or_else(|| "customer_request".to_owned());
    check_text("/reason", &reason)?;
    let order = orders::load(conn, id, Of::Customer(customer)).await?;
    let Err(e) = OrderLifecycle::next(order.state, Trigger::CustomerCancel) else {
        return advance(
            conn,
            cause,
            &order,
            Trigger::CustomerCancel,
            Step { reason: Some(reason), ..Default::default() },
        )
        .await;
    };
    Err(Refusal::illegal(&e, customer_actions(order.state)))
}

/// Operations cancel, having seen a version.
///
/// # Errors
/// `Stale` when it has moved on, `Illegal` when the food has left: then it takes a return, at dispatch.
pub async fn by_ops(
    conn: &mut Conn,
    cause: &Cause,
    id: OrderId,
    seen: Version,
    reason: String,
) -> Result<Order, Refusal> {
    check_text("/reason", &reason)?;
    let order = orders::load(conn, id, Of::Anyone).await?;
    if order.version != seen {
        return Err(Refusal::Stale { current: order.version });
    }
    if order.state == OrderState::Delivering {
        return Err(Refusal::Illegal {
            code: "order_already_picked_up",
            detail: "the food is on its way; ask dispatch for a return".to_owned(),
            state: order.state.to_string(),
            allowed: ops_actions(order.state),
        });
    }
    match OrderLifecycle::next(order.state, Trigger::OpsCancel) {
        Ok(_) => {
            advance(conn, cause, &order, Trigger::OpsCancel, Step { reason: Some(reason), ..Default::default() }).await
        }
        Err(e) => Err(Refusal::illegal(&e, ops_actions(order.state))),
    }
}
