//! A shop accepts, rejects or cancels: merchant-svc asks in the shop's name. The first commit on the order's row wins.

use chrono::{DateTime, Utc};
use pannier_contracts::order::OrderState;
use pannier_contracts::{Lifecycle as _, MerchantId, OrderId};
use pannier_platform::{Cause, Conn, Refusal};

use super::apply_trigger::{TransitionDetails, apply_trigger};
use crate::domain::lifecycle::{OrderLifecycle, Trigger, shop_actions};
use crate::store::Order;
use crate::store::orders::{self, VisibleTo};

/// A shop's decision about an order.
#[derive(Debug, Clone)]
pub enum Decision {
    /// It accepts, and the kitchen means to be done at this time.
    Accept(DateTime<Utc>),
    /// It rejects, for this reason.
    Reject(String),
    /// It cancels what it had accepted, for this reason.
    Cancel(String),
}

/// Carries out a shop's decision.
///
/// # Errors
/// [`Refusal::NotFound`] for another shop's order, [`Refusal::Illegal`] with the state that the order is in: the ticket
/// follows that state.
pub async fn shop_decides(
    conn: &mut Conn,
    cause: &Cause,
    merchant: MerchantId,
    id: OrderId,
    decision: Decision,
) -> Result<Order, Refusal> {
    let order = orders::load(conn, id, VisibleTo::Merchant(merchant)).await?;
    let (trigger, details) = match decision {
        Decision::Accept(ready_at) => {
            (Trigger::Accept, TransitionDetails { ready_at: Some(ready_at), ..TransitionDetails::default() })
        }
        Decision::Reject(reason) => (Trigger::Reject, TransitionDetails::because(reason)),
        Decision::Cancel(reason) => (Trigger::ShopCancel, TransitionDetails::because(reason)),
    };
    match OrderLifecycle::next(order.state, trigger) {
        Ok(_) => apply_trigger(conn, cause, &order, trigger, details).await,
        Err(e) => Err(Refusal::Illegal {
            code: match order.state {
                OrderState::Cancelled => "order_cancelled",
                OrderState::Expired => "order_expired",
                OrderState::Rejected => "order_rejected",
                _ => "illegal_transition",
            },
            detail: e.to_string(),
            state: order.state.to_string(),
            allowed: shop_actions(order.state),
        }),
    }
}
