//! A ticket follows its order, after an event and after order-svc's answer to the shop.

use pannier_contracts::ticket::TicketSnapshot;
use pannier_platform::consumer::Effect;
use pannier_platform::{Cause, Conn, Refusal};

use super::apply::{TransitionDetails, apply};
use crate::domain::following::{OrderUpdate, path};

/// Brings the ticket to the state that its order asks for, with one version and one event per transition.
/// [`Effect::Late`] when the ticket has passed that state already: nothing changes.
///
/// # Errors
/// [`Refusal::Conflict`] when a concurrent update won: reload and decide again.
pub async fn follow_order(
    conn: &mut Conn,
    cause: &Cause,
    mut ticket: TicketSnapshot,
    order: &OrderUpdate,
) -> Result<(TicketSnapshot, Effect), Refusal> {
    let Some(path) = path(ticket.state, order.state) else {
        let late = format!("ticket {} is {}, its order {}", ticket.id, ticket.state, order.state);
        return Ok((ticket, Effect::Late(late)));
    };
    for trigger in path {
        let details = TransitionDetails { ready_at: order.ready_at, reason: order.reason.clone() };
        ticket = apply(conn, cause, &ticket, trigger, details).await?;
    }
    Ok((ticket, Effect::Done))
}
