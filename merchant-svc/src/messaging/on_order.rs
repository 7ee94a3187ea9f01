//! News of an order: its ticket opens, and follows it until pickup.

use async_trait::async_trait;
use pannier_contracts::order::OrderSnapshot;
use pannier_platform::consumer::{Effect, Handler};
use pannier_platform::{Cause, Conn, Refusal};

use crate::commands::follow_order::follow_order;
use crate::commands::open_ticket::open_ticket;
use crate::domain::following::needs_ticket;
use crate::store;

/// The handler.
#[derive(Debug)]
pub struct OnOrder;

#[async_trait]
impl Handler for OnOrder {
    type Snapshot = OrderSnapshot;
    const QUEUE: &'static str = "merchant.order";

    async fn handle(&self, conn: &mut Conn, cause: &Cause, order: &OrderSnapshot) -> Result<Effect, Refusal> {
        let ticket = match store::tickets::of_order(conn, order.id).await? {
            Some(ticket) => ticket,
            None if needs_ticket(order.state) => open_ticket(conn, cause, order).await?,
            // Not paid yet, or over before the kitchen heard of it: that it was seen keeps older news out.
            None => return Ok(Effect::Done),
        };
        Ok(follow_order(conn, cause, ticket, &order.into()).await?.1)
    }
}
