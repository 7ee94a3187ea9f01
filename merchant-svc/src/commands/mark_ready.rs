//! The food waits at the counter: a fact, so nobody is asked; order-svc and the rider hear of it by the ticket's event.

use pannier_contracts::ticket::TicketSnapshot;
use pannier_contracts::{MerchantId, TicketId, Version};
use pannier_platform::{Cause, Conn, Refusal};

use super::advance::{Step, advance};
use crate::domain::lifecycle::Trigger;
use crate::store;

/// Marks a ticket as ready.
///
/// # Errors
/// `NotFound`, `Stale` when the shop saw an old version, `Illegal` when it is not being prepared.
pub async fn mark_ready(
    conn: &mut Conn,
    cause: &Cause,
    shop: MerchantId,
    id: TicketId,
    seen: Version,
) -> Result<TicketSnapshot, Refusal> {
    let ticket = store::tickets::load(conn, id, shop).await?;
    if ticket.version != seen {
        return Err(Refusal::Stale { current: ticket.version });
    }
    advance(conn, cause, &ticket, Trigger::MarkReady, Step::default()).await
}
