//! Events of orders.

use async_trait::async_trait;
use pannier_contracts::order::OrderSnapshot;
use pannier_platform::consumer::{Effect, Handler};
use pannier_platform::{Cause, Conn, Refusal};

use crate::commands::follow_order::follow_order;

/// Opens, replans and ends deliveries as their orders do.
#[derive(Debug, Clone, Copy)]
pub struct OnOrder;

#[async_trait]
impl Handler for OnOrder {
    type Snapshot = OrderSnapshot;
    const QUEUE: &'static str = "dispatch.order";

    async fn handle(&self, conn: &mut Conn, cause: &Cause, order: &OrderSnapshot) -> Result<Effect, Refusal> {
        follow_order(conn, cause, order).await
    }
}
