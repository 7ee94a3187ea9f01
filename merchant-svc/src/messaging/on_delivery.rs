//! News of a delivery: from pickup on it decides, so the ticket is handed over, whatever the order became.

use async_trait::async_trait;
use pannier_contracts::delivery::DeliverySnapshot;
use pannier_platform::consumer::{Effect, Handler};
use pannier_platform::{Cause, Conn, Refusal};

use crate::commands::follow_order::follow_order;
use crate::domain::following::has_left;
use crate::store;

/// The handler.
#[derive(Debug)]
pub struct OnDelivery;

#[async_trait]
impl Handler for OnDelivery {
    type Snapshot = DeliverySnapshot;
    const QUEUE: &'static str = "merchant.delivery";

    async fn handle(&self, conn: &mut Conn, cause: &Cause, delivery: &DeliverySnapshot) -> Result<Effect, Refusal> {
        if !has_left(delivery.state) {
            return Ok(Effect::Done);
        }
        let Some(ticket) = store::tickets::of_order(conn, delivery.order_id).await? else {
            // The order's own news is still on its way, and walks the ticket here when it comes.
            return Ok(Effect::Late(format!("order {} has no ticket", delivery.order_id)));
        };
        Ok(follow_order(conn, cause, ticket, &delivery.into()).await?.1)
    }
}
