//! The payment was refused: the customer tries another method, while the order still waits for it.

use pannier_contracts::order::OrderState;
use pannier_contracts::payment::PaymentState;
use pannier_contracts::{CustomerId, OrderId};
use pannier_platform::{Cause, Conn, Refusal};

use crate::domain::lifecycle::customer_actions;
use crate::domain::text;
use crate::store::orders::VisibleTo;
use crate::store::{self, Order};

/// Begins another attempt of a payment; the reconciler authorises it right after the commit.
///
/// # Errors
/// [`Refusal::NotFound`] for another customer's order, [`Refusal::Invalid`] for a bad method, [`Refusal::Illegal`] when
/// the order does not wait for a payment, or the last attempt is not decided yet.
pub async fn pay_again(
    conn: &mut Conn,
    cause: &Cause,
    customer: CustomerId,
    id: OrderId,
    method: &str,
) -> Result<Order, Refusal> {
    text::check_length("/payment_method", method)?;
    let order = store::orders::load(conn, id, VisibleTo::Customer(customer)).await?;
    let illegal = |code, detail: &str| Refusal::Illegal {
        code,
        detail: detail.to_owned(),
        state: order.state.to_string(),
        allowed: customer_actions(order.state),
    };
    if order.state != OrderState::PendingPayment {
        return Err(illegal("not_awaiting_payment", "this order does not wait for a payment"));
    }
    if order.payment.state != PaymentState::Failed {
        return Err(illegal("payment_in_progress", "the last payment is not decided yet"));
    }
    store::payments::begin_attempt(conn, cause, &order.payment, method).await?;
    Ok(order)
}
