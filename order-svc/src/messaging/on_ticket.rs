//! The kitchen's news: a ticket rejected by itself, a kitchen that is done, a new time.

use async_trait::async_trait;
use pannier_contracts::order::OrderState;
use pannier_contracts::ticket::{TicketSnapshot, TicketState};
use pannier_platform::consumer::{Effect, Handler};
use pannier_platform::{Cause, Conn, Refusal};

use super::{Wanted, follow};
use crate::domain::lifecycle::Trigger;
use crate::store::orders::{self, Change, Of};

/// Handler of `order.ticket`.
#[derive(Debug)]
pub struct OnTicket;

#[async_trait]
impl Handler for OnTicket {
    type Snapshot = TicketSnapshot;
    const QUEUE: &'static str = "order.ticket";

    async fn handle(&self, conn: &mut Conn, cause: &Cause, ticket: &TicketSnapshot) -> Result<Effect, Refusal> {
        let order = orders::load(conn, ticket.order_id, Of::Anyone).await?;
        let copy = Change {
            ticket: Some(serde_json::json!({
                "id": ticket.id, "state": ticket.state, "version": ticket.version, "ready_at": ticket.ready_at,
            })),
            ready_at: ticket.ready_at,
            ..Default::default()
        };
        follow(conn, cause, order, copy, wanted(ticket)).await
    }
}

fn wanted(ticket: &TicketSnapshot) -> Option<Wanted> {
    match ticket.state {
        TicketState::Rejected => {
            Some(Wanted { states: &[OrderState::Rejected], by: &[Trigger::Reject], reason: ticket.reason.clone() })
        }
        // A rider may have picked it up before the kitchen said so: then this is late and means nothing.
        TicketState::Ready => Some(Wanted { states: &[OrderState::Ready], by: &[Trigger::MarkReady], reason: None }),
        // Asked for before they happened, or decided by us: nothing to follow.
        TicketState::AwaitingAcceptance
        | TicketState::Accepted
        | TicketState::HandedOver
        | TicketState::Expired
        | TicketState::Cancelled => None,
    }
}
