//! Events of deliveries: the orders follow.

use async_trait::async_trait;
use pannier_contracts::delivery::DeliverySnapshot;
use pannier_platform::consumer::{Effect, Handler, Message};
use pannier_platform::{Cause, Conn, Refusal};

use crate::commands::follow::follow_deliveries;

/// The handler of `order.delivery`.
#[derive(Debug)]
pub struct OnDelivery;

#[async_trait]
impl Handler for OnDelivery {
    type Snapshot = DeliverySnapshot;
    const QUEUE: &'static str = "order.delivery";

    async fn handle(&self, conn: &mut Conn, cause: &Cause, delivery: &DeliverySnapshot) -> Result<Effect, Refusal> {
        Ok(follow_deliveries(conn, &[Message { cause, snapshot: delivery }]).await?.remove(0))
    }

    async fn handle_all(
        &self,
        conn: &mut Conn,
        news: &[Message<'_, DeliverySnapshot>],
    ) -> Result<Vec<Effect>, Refusal> {
        follow_deliveries(conn, news).await
    }
}
