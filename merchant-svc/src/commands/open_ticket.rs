//! A paid order rings in the kitchen, or is turned away before it rings.

use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_contracts::ticket::{TicketSnapshot, TicketState};
use pannier_contracts::{TicketId, Version};
use pannier_platform::{Cause, Conn, Refusal, timers};

use super::advance::{Step, advance};
use crate::domain::lifecycle::Trigger;
use crate::domain::opening;
use crate::store;

/// Opens the ticket of an order. If the shop cannot make it, the ticket is rejected at once: order-svc hears of that by
/// the ticket's event and follows, which is why nobody needs to be asked here.
///
/// # Errors
/// `Conflict` when the order got its ticket in this moment.
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
    // Whoever has accepted the order already has decided; then the ticket only follows.
    if order.state != OrderState::Paid {
        return Ok(ticket);
    }
    let shop = store::merchants::find(conn, order.merchant_id).await?;
    match opening::refusal(shop.as_ref(), &order.lines) {
        None => Ok(ticket),
        Some(reason) => {
            let step = Step { reason: Some(reason.to_string()), ..Default::default() };
            advance(conn, cause, &ticket, Trigger::Reject, step).await
        }
    }
}
