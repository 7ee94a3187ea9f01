//! Events of deliveries: after pickup the ticket is handed over, whatever state the order is in.

use async_trait::async_trait;
use pannier_contracts::delivery::DeliverySnapshot;
use pannier_platform::consumer::{Effect, Handler};
use pannier_platform::{Cause, Conn, Refusal};

use crate::commands::follow_order::follow_order;
use crate::domain::following::has_left_shop;
use crate::store;

/// Handles the queue `merchant.delivery`.
#[derive(Debug)]
pub struct OnDelivery;

#[async_trait]
impl Handler for OnDelivery {
    type Snapshot = DeliverySnapshot;
    const QUEUE: &'static str = "merchant.delivery";

    async fn handle(&self, conn: &mut Conn, cause: &Cause, delivery: &DeliverySnapshot) -> Result<Effect, Refusal> {
        if !has_left_shop(delivery.state) {
            return Ok(Effect::Done);
        }
        let Some(ticket) = store::tickets::find_by_order(conn, delivery.order_id).await? else {
            // The order's event has not arrived yet. It opens the ticket and brings it to this state.
            return Ok(Effect::Late(format!("order {} has no ticket", delivery.order_id)));
        };
        Ok(follow_order(conn, cause, ticket, &delivery.into()).await?.1)
    }
}
