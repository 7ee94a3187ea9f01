//! Events of orders: the ticket opens and follows its order until pickup.

use async_trait::async_trait;
use pannier_contracts::order::OrderSnapshot;
use pannier_platform::consumer::{Effect, Handler};
use pannier_platform::{Cause, Conn, Refusal};

use crate::commands::follow_order::follow_order;
use crate::commands::open_ticket::open_ticket;
use crate::domain::following::needs_ticket;
use crate::store;

/// Handles the queue `merchant.order`.
#[derive(Debug)]
pub struct OnOrder;

#[async_trait]
impl Handler for OnOrder {
    type Snapshot = OrderSnapshot;
    const QUEUE: &'static str = "merchant.order";

    async fn handle(&self, conn: &mut Conn, cause: &Cause, order: &OrderSnapshot) -> Result<Effect, Refusal> {
        let ticket = match store::tickets::find_by_order(conn, order.id).await? {
            Some(ticket) => ticket,
            None if needs_ticket(order.state) => open_ticket(conn, cause, order).await?,
            // Not paid yet, or ended early. The consumer records the version, so older events are dropped.
            None => return Ok(Effect::Done),
        };
        Ok(follow_order(conn, cause, ticket, &order.into()).await?.1)
    }
}
