//! Operations correct a payment: they retry what was refused, give a part back, or give a debt up. Each decides on the version
//! that it has seen.

use pannier_contracts::order::OrderLine;
use pannier_contracts::payment::PaymentState;
use pannier_contracts::{OrderId, Version};
use pannier_platform::{Cause, Conn, Refusal, alarms};
use serde::Deserialize;

use crate::domain::settlement::{Ending, Operation, Target};
use crate::store::orders::VisibleTo;
use crate::store::payments::operations::{self, By, PaymentOperation};
use crate::store::{self, Order, ledger};

/// What is given back: these articles, or this amount.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartialRefund {
    /// Articles of the order, and how many of each.
    #[serde(default)]
    pub lines: Vec<RefundedLine>,
    /// Or an amount, minor units.
    #[serde(default)]
    pub amount: Option<i64>,
    /// Why.
    pub reason: String,
}

/// An article that is given back.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundedLine {
    /// The article.
    pub sku: String,
    /// How many of it.
    pub quantity: u16,
}

/// What operations may do with a payment.
#[must_use]
pub fn allowed_actions(order: &Order, operations: &[PaymentOperation], is_owed: bool) -> Vec<&'static str> {
    let mut actions = Vec::new();
    let is_open = operations.iter().any(|o| o.answer.is_none());
    if !is_open && refused(order, operations).is_some() {
        actions.push("retry");
    }
    if !is_open && may_refund(order) {
        actions.push("refund");
    }
    if is_owed {
        actions.push("write-off");
    }
    actions
}

/// Asks again for what the gateway has refused: a capture, a refund or a release.
///
/// # Errors
/// [`Refusal::Stale`]; [`Refusal::Illegal`] `nothing_to_retry` or `payment_in_progress`.
pub async fn retry(conn: &mut Conn, id: OrderId, seen: Version) -> Result<Order, Refusal> {
    let order = load(conn, id, seen).await?;
    let operations = operations::of_payment(conn, order.payment.id).await?;
    let Some(refused) = refused(&order, &operations) else {
        return Err(illegal(&order, "nothing_to_retry", "nothing that this order needs was refused"));
    };
    let (kind, amount) = (refused.kind, refused.amount);
    intend(conn, &order, kind, amount).await?;
    Ok(order)
}

/// Gives back a part of what was taken for an order that stands.
///
/// # Errors
/// [`Refusal::Stale`]; [`Refusal::Invalid`] `refund_invalid`; [`Refusal::Illegal`] `nothing_to_refund` or
/// `payment_in_progress`.
pub async fn refund(conn: &mut Conn, id: OrderId, seen: Version, what: &PartialRefund) -> Result<Order, Refusal> {
    let order = load(conn, id, seen).await?;
    if !may_refund(&order) {
        let detail = "nothing was taken for this order that is not given back anyway";
        return Err(illegal(&order, "nothing_to_refund", detail));
    }
    let amount = amount_of(what, &order.lines.0).map_err(|detail| Refusal::invalid("refund_invalid", detail))?;
    let left = order.payment.captured - order.payment.refunded;
    if !(1..=left).contains(&amount) {
        return Err(Refusal::invalid(
            "refund_invalid",
            format!("{amount} is not between 1 and the {left} that are left"),
        ));
    }
    intend(conn, &order, Operation::Refund, amount).await?;
    Ok(order)
}

/// Gives up what is owed for an order whose capture was refused.
///
/// # Errors
/// [`Refusal::Stale`]; [`Refusal::Illegal`] `nothing_owed`.
pub async fn write_off(
    conn: &mut Conn,
    cause: &Cause,
    id: OrderId,
    seen: Version,
    reason: &str,
) -> Result<Order, Refusal> {
    let order = load(conn, id, seen).await?;
    if !ledger::is_owed(conn, id).await? {
        return Err(illegal(&order, "nothing_owed", "nobody owes anything for this order"));
    }
    let payment = &order.payment;
    let key = format!("{}.{}", payment.id, ledger::WRITE_OFF);
    ledger::insert(conn, payment, ledger::WRITE_OFF, -payment.amount, &key).await?;
    alarms::resolve(conn, payment.id.0).await?;
    tracing::info!(order.id = %id, actor = cause.actor, reason, "The debt of order {id} is written off");
    Ok(order)
}

async fn load(conn: &mut Conn, id: OrderId, seen: Version) -> Result<Order, Refusal> {
    let order = store::orders::load(conn, id, VisibleTo::Anyone).await?;
    if order.payment.version == seen { Ok(order) } else { Err(Refusal::Stale { current: order.payment.version }) }
}

async fn intend(conn: &mut Conn, order: &Order, kind: Operation, amount: i64) -> Result<(), Refusal> {
    if operations::intend(conn, &order.payment, kind, amount, By::Command).await?.is_none() {
        return Err(illegal(order, "payment_in_progress", "another operation of this payment is under way"));
    }
    store::payments::make_due(conn, &order.payment, None).await
}

/// The newest operation, if it was refused and the order still needs it.
fn refused<'o>(order: &Order, operations: &'o [PaymentOperation]) -> Option<&'o PaymentOperation> {
    let last = operations.last().filter(|last| last.answer == Some(Ending::Refused))?;
    let is_released = matches!(Target::of(order.state, order.refund_share), Target::Released(_));
    let is_needed = match last.kind {
        // The customer tries another card.
        Operation::Authorise => false,
        Operation::Capture => !is_released,
        Operation::Void => is_released,
        Operation::Refund => order.payment.captured - order.payment.refunded >= last.amount,
    };
    is_needed.then_some(last)
}

fn may_refund(order: &Order) -> bool {
    let is_taken = matches!(order.payment.state, PaymentState::Captured | PaymentState::PartiallyRefunded);
    is_taken
        && order.payment.captured > order.payment.refunded
        && match Target::of(order.state, order.refund_share) {
            Target::Captured => true,
            // The rest goes back by itself.
            Target::Released(share) => share < 100,
            Target::Authorised => false,
        }
}

fn amount_of(what: &PartialRefund, lines: &[OrderLine]) -> Result<i64, String> {
    match (what.amount, what.lines.as_slice()) {
        (Some(amount), []) => Ok(amount),
        (None, [_, ..]) => what.lines.iter().try_fold(0, |sum, refunded| {
            let line = lines.iter().find(|line| line.sku == refunded.sku);
            let line = line.ok_or_else(|| format!("the order has no {:?}", refunded.sku))?;
            if !(1..=line.quantity).contains(&refunded.quantity) {
                return Err(format!("the order has {} of {:?}", line.quantity, refunded.sku));
            }
            Ok(sum + line.unit_price.amount * i64::from(refunded.quantity))
        }),
        _ => Err("say which lines, or which amount".to_owned()),
    }
}

fn illegal(order: &Order, code: &'static str, detail: &str) -> Refusal {
    let state = order.payment.state.to_string();
    Refusal::Illegal { code, detail: detail.to_owned(), state, allowed: Vec::new() }
}
