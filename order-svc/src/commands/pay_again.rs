//! The first method was declined: the customer tries another, while the order still waits to be paid.

use pannier_contracts::order::OrderState;
use pannier_contracts::payment::PaymentState;
use pannier_contracts::{CustomerId, Lifecycle as _, OrderId};
use pannier_platform::{Cause, Conn, Refusal};

use super::place_order::check_text;
use crate::domain::lifecycle::{PaymentLifecycle, PaymentTrigger, customer_actions};
use crate::store;
use crate::store::orders::{Of, Order};

/// Tries another method.
///
/// # Errors
/// `Illegal` when the order does not wait for money, or the last try is not decided yet.
pub async fn pay_again(
    conn: &mut Conn,
    cause: &Cause,
    customer: CustomerId,
    id: OrderId,
    method: &str,
) -> Result<Order, Refusal> {
    check_text("/payment_method", method)?;
    let order = store::orders::load(conn, id, Of::Customer(customer)).await?;
    let payment = store::payments::of_order(conn, id).await?;
    let refused = |code, detail: &str| Refusal::Illegal {
        code,
        detail: detail.to_owned(),
        state: order.state.to_string(),
        allowed: customer_actions(order.state),
    };
    if order.state != OrderState::PendingPayment {
        return Err(refused("not_awaiting_payment", "this order does not wait for a payment"));
    }
    if payment.state != PaymentState::Failed {
        return Err(refused("payment_in_progress", "the last payment is not decided yet"));
    }
    let to = PaymentLifecycle::next(payment.state, PaymentTrigger::TryAgain)
        .map_err(|e| Refusal::illegal(&e, Vec::new()))?;
    store::payments::advance(conn, cause, &payment, to, None).await?;
    store::payments::use_method(conn, payment.id, method).await?;
    Ok(order)
}
