//! The shop reports that the food is ready. order-svc and dispatch-svc learn it from the ticket's event.

use pannier_contracts::ticket::TicketSnapshot;
use pannier_contracts::{MerchantId, TicketId, Version};
use pannier_platform::{Cause, Conn, Refusal};

use super::apply::{TransitionDetails, apply};
use crate::domain::lifecycle::Trigger;
use crate::store;

/// Marks a ticket as ready.
///
/// # Errors
/// [`Refusal::NotFound`] when the shop has no such ticket, [`Refusal::Stale`] when `seen` is not its version,
/// [`Refusal::Illegal`] when it is not being prepared; [`Refusal::Conflict`] as in [`apply`].
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
    apply(conn, cause, &ticket, Trigger::MarkReady, TransitionDetails::default()).await
}
