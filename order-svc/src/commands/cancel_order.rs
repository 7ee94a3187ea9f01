//! An order is cancelled: by its customer until the shop accepts, by operations until pickup.

use pannier_contracts::order::OrderState;
use pannier_contracts::{CustomerId, Lifecycle as _, Money, OrderId, Version};
use pannier_platform::{Cause, Conn, Refusal};
use serde::Serialize;

use super::apply_trigger::{TransitionDetails, apply_trigger};
use crate::domain::lifecycle::{OrderLifecycle, Trigger, customer_actions, ops_actions};
use crate::domain::text;
use crate::domain::who_pays::{WhoPays, who_pays};
use crate::store::Order;
use crate::store::orders::{self, VisibleTo};

/// The customer cancels.
///
/// # Errors
/// [`Refusal::NotFound`] for another customer's order, [`Refusal::Invalid`] for a bad reason, [`Refusal::Illegal`] when it
/// is too late.
pub async fn by_customer(
    conn: &mut Conn,
    cause: &Cause,
    customer: CustomerId,
    id: OrderId,
    reason: Option<String>,
) -> Result<Order, Refusal> {
    let reason = reason.unwrap_or_else(|| "customer_request".to_owned());
    text::check_length("/reason", &reason)?;
    let order = orders::load(conn, id, VisibleTo::Customer(customer)).await?;
    OrderLifecycle::next(order.state, Trigger::CustomerCancel)
        .map_err(|e| Refusal::illegal(&e, customer_actions(order.state)))?;
    apply_trigger(conn, cause, &order, Trigger::CustomerCancel, TransitionDetails::because(reason)).await
}

/// What a cancellation by operations would lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The state that the order would be in.
    pub state: OrderState,
    /// What the customer would get back; nothing was taken yet where it is only held.
    pub refund: Money,
    /// Why it would have ended, and what that means for each party.
    pub who_pays: WhoPays,
}

/// Operations cancel the version that they saw.
///
/// # Errors
/// [`Refusal::Stale`] when it has changed since, [`Refusal::Invalid`] for a bad reason, [`Refusal::Illegal`] after pickup:
/// then dispatch-svc has to be asked for a return.
pub async fn by_ops(
    conn: &mut Conn,
    cause: &Cause,
    id: OrderId,
    seen: Version,
    reason: String,
) -> Result<Order, Refusal> {
    let (order, _) = cancellable_by_ops(conn, id, seen, &reason).await?;
    apply_trigger(conn, cause, &order, Trigger::OpsCancel, TransitionDetails::because(reason)).await
}

/// What [`by_ops`] would do. Changes nothing.
///
/// # Errors
/// As [`by_ops`].
pub async fn preview_by_ops(conn: &mut Conn, id: OrderId, seen: Version, reason: &str) -> Result<Preview, Refusal> {
    let (order, state) = cancellable_by_ops(conn, id, seen, reason).await?;
    let who_pays = who_pays(Trigger::OpsCancel, false, Some(reason))
        .ok_or_else(|| Refusal::Bug(anyhow::anyhow!("nobody pays for a cancellation by operations")))?;
    Ok(Preview { state, refund: order.refund_of(who_pays.shares.refund), who_pays })
}

/// The order as operations saw it, and the state that their cancellation leads to.
async fn cancellable_by_ops(
    conn: &mut Conn,
    id: OrderId,
    seen: Version,
    reason: &str,
) -> Result<(Order, OrderState), Refusal> {
    text::check_length("/reason", reason)?;
    let order = orders::load(conn, id, VisibleTo::Anyone).await?;
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
    let state = OrderLifecycle::next(order.state, Trigger::OpsCancel)
        .map_err(|e| Refusal::illegal(&e, ops_actions(order.state)))?;
    Ok((order, state))
}
