//! The shop's decisions, asked for by merchant-svc in the shop's name. The first commit on the order row wins.

use chrono::{DateTime, Utc};
use pannier_contracts::order::OrderState;
use pannier_contracts::{Lifecycle as _, MerchantId, OrderId};
use pannier_platform::{Cause, Conn, Refusal};

use super::advance::{Step, advance};
use crate::domain::lifecycle::{OrderLifecycle, Trigger, shop_actions};
use crate::store::orders::{self, Of, Order};

/// What the shop decided.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Yes; done at.
    Accept(DateTime<Utc>),
    /// No; because.
    Reject(String),
    /// Not after all; because.
    Cancel(String),
}

/// Carries out a shop's decision.
///
/// # Errors
/// `Illegal` with the state that the order is in: the ticket becomes that.
pub async fn shop_decides(
    conn: &mut Conn,
    cause: &Cause,
    merchant: MerchantId,
    id: OrderId,
    decision: Decision,
) -> Result<Order, Refusal> {
    let order = orders::load(conn, id, Of::Merchant(merchant)).await?;
    let (trigger, step) = match decision {
        Decision::Accept(ready_at) => (Trigger::Accept, Step { ready_at: Some(ready_at), reason: None }),
        Decision::Reject(reason) => (Trigger::Reject, Step { ready_at: None, reason: Some(reason) }),
        Decision::Cancel(reason) => (Trigger::ShopCancel, Step { ready_at: None, reason: Some(reason) }),
    };
    match OrderLifecycle::next(order.state, trigger) {
        Ok(_) => advance(conn, cause, &order, trigger, step).await,
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
