//! A paid order gets its ticket, or is rejected at once.

use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_contracts::ticket::{TicketSnapshot, TicketState};
use pannier_contracts::{TicketId, Version};
use pannier_platform::{Cause, Conn, Refusal, timers};

use super::apply::{TransitionDetails, apply};
use crate::domain::lifecycle::Trigger;
use crate::domain::opening;
use crate::store;

/// Opens the ticket of an order. If the shop is closed or an item is sold out, the ticket is rejected in the same
/// transaction, without asking order-svc: the order follows the ticket's event.
///
/// # Errors
/// [`Refusal::Conflict`] when a concurrent transaction opened the ticket: reload and follow the order.
pub async fn open_ticket(conn: &mut Conn, cause: &Cause, order: &OrderSnapshot) -> Result<TicketSnapshot, Refusal> {
    let ticket = TicketSnapshot {
        id: TicketId::generate(),
        version: Version::FIRST,
        state: TicketState::AwaitingAcceptance,
        order_id: order.id,
        merchant_id: order.merchant_id,
        lines: order.lines.clone(),
        ready_at: None,
        reason: None,
        opened_at: timers::now(conn).await?,
    };
    store::tickets::insert(conn, cause, &ticket).await?;
    tracing::info!(ticket.id = %ticket.id, order.id = %order.id, merchant.id = %order.merchant_id,
        "Ticket {} opened for order {}", ticket.id, order.id);
    // Past `paid`, the shop's answer is known already: the caller lets the ticket follow.
    if order.state != OrderState::Paid {
        return Ok(ticket);
    }
    let shop = store::merchants::find(conn, order.merchant_id).await?;
    match opening::reject_reason(shop.as_ref(), &order.lines) {
        None => Ok(ticket),
        Some(reason) => {
            let details = TransitionDetails { reason: Some(reason.to_string()), ..Default::default() };
            apply(conn, cause, &ticket, Trigger::Reject, details).await
        }
    }
}
