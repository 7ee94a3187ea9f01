//! The kitchen's news.

use std::time::Duration;

use async_trait::async_trait;
use pannier_contracts::ticket::TicketSnapshot;
use pannier_platform::consumer::{Effect, Handler, News};
use pannier_platform::{Cause, Conn, Refusal};

use super::{Told, follow};
use crate::domain::following::after_ticket;
use crate::store::progress::Part;

/// Handler of `order.ticket`.
#[derive(Debug)]
pub struct OnTicket;

#[async_trait]
impl Handler for OnTicket {
    type Snapshot = TicketSnapshot;
    const QUEUE: &'static str = "order.ticket";
    /// It is watched by people, and nothing waits for it.
    const LINGER: Duration = Duration::from_millis(50);

    async fn handle(&self, conn: &mut Conn, cause: &Cause, ticket: &TicketSnapshot) -> Result<Effect, Refusal> {
        Ok(follow(conn, Part::Ticket, vec![told(cause, ticket)]).await?.remove(0))
    }

    async fn handle_all(&self, conn: &mut Conn, news: &[News<'_, TicketSnapshot>]) -> Result<Vec<Effect>, Refusal> {
        follow(conn, Part::Ticket, news.iter().map(|news| told(news.cause, news.snapshot)).collect()).await
    }
}

fn told<'a>(cause: &'a Cause, ticket: &TicketSnapshot) -> Told<'a> {
    Told {
        order_id: ticket.order_id,
        cause,
        copy: serde_json::json!({
            "id": ticket.id, "state": ticket.state, "version": ticket.version, "ready_at": ticket.ready_at,
        }),
        wanted: after_ticket(ticket.state),
        reason: ticket.reason.clone(),
    }
}
