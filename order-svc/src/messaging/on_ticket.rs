//! Events of tickets: the orders follow.

use std::time::Duration;

use async_trait::async_trait;
use pannier_contracts::ticket::TicketSnapshot;
use pannier_platform::consumer::{Effect, Handler, Message};
use pannier_platform::{Cause, Conn, Refusal};

use crate::commands::follow::follow_tickets;

/// The handler of `order.ticket`.
#[derive(Debug)]
pub struct OnTicket;

#[async_trait]
impl Handler for OnTicket {
    type Snapshot = TicketSnapshot;
    const QUEUE: &'static str = "order.ticket";
    /// Only people who watch the order wait for it.
    const LINGER: Duration = Duration::from_millis(50);

    async fn handle(&self, conn: &mut Conn, cause: &Cause, ticket: &TicketSnapshot) -> Result<Effect, Refusal> {
        Ok(follow_tickets(conn, &[Message { cause, snapshot: ticket }]).await?.remove(0))
    }

    async fn handle_all(&self, conn: &mut Conn, news: &[Message<'_, TicketSnapshot>]) -> Result<Vec<Effect>, Refusal> {
        follow_tickets(conn, news).await
    }
}
