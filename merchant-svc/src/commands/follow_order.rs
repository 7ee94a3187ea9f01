//! The ticket becomes what its order is: after an event, and after order-svc's answer to the shop.

use pannier_contracts::ticket::TicketSnapshot;
use pannier_platform::consumer::Effect;
use pannier_platform::{Cause, Conn, Refusal};

use super::advance::{Step, advance};
use crate::domain::following::{OrderNow, way};

/// Walks the ticket to where its order is, one version and one event per step.
///
/// # Errors
/// `Conflict` when somebody was faster.
pub async fn follow_order(
    conn: &mut Conn,
    cause: &Cause,
    ticket: TicketSnapshot,
    order: &OrderNow,
) -> Result<(TicketSnapshot, Effect), Refusal> {
    let Some(steps) = way(ticket.state, order.state) else {
        let late = format!("ticket {} is {}, its order {}", ticket.id, ticket.state, order.state);
        return Ok((ticket, Effect::Late(late)));
    };
    let mut ticket = ticket;
    for trigger in steps {
        let step = Step { ready_at: order.ready_at, reason: order.reason.clone() };
        ticket = advance(conn, cause, &ticket, trigger, step).await?;
    }
    Ok((ticket, Effect::Done))
}
