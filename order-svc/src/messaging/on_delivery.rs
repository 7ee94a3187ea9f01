//! The rider's news.

use async_trait::async_trait;
use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
use pannier_contracts::order::OrderState;
use pannier_platform::consumer::{Effect, Handler, News};
use pannier_platform::{Cause, Conn, Refusal, alarms};

use super::{Told, follow};
use crate::domain::following::after_delivery;
use crate::store::orders;
use crate::store::progress::Part;

/// Handler of `order.delivery`.
#[derive(Debug)]
pub struct OnDelivery;

#[async_trait]
impl Handler for OnDelivery {
    type Snapshot = DeliverySnapshot;
    const QUEUE: &'static str = "order.delivery";

    async fn handle(&self, conn: &mut Conn, cause: &Cause, delivery: &DeliverySnapshot) -> Result<Effect, Refusal> {
        let effect = follow(conn, Part::Delivery, vec![told(cause, delivery)]).await?.remove(0);
        raise_late(conn, delivery, &effect).await?;
        Ok(effect)
    }

    async fn handle_all(&self, conn: &mut Conn, news: &[News<'_, DeliverySnapshot>]) -> Result<Vec<Effect>, Refusal> {
        let told = news.iter().map(|news| told(news.cause, news.snapshot)).collect();
        let effects = follow(conn, Part::Delivery, told).await?;
        for (news, effect) in news.iter().zip(&effects) {
            raise_late(conn, news.snapshot, effect).await?;
        }
        Ok(effects)
    }
}

fn told<'a>(cause: &'a Cause, delivery: &DeliverySnapshot) -> Told<'a> {
    Told {
        order_id: delivery.order_id,
        cause,
        copy: serde_json::json!({
            "id": delivery.id, "state": delivery.state, "version": delivery.version, "rider_id": delivery.rider_id,
            "picked_up_at": delivery.picked_up_at, "delivered_at": delivery.delivered_at,
        }),
        wanted: after_delivery(delivery.state),
        reason: delivery.reason.clone(),
    }
}

/// The customer has food that was not to be delivered any more: both stand, and somebody should know.
async fn raise_late(conn: &mut Conn, delivery: &DeliverySnapshot, effect: &Effect) -> Result<(), Refusal> {
    if delivery.state != DeliveryState::Delivered || *effect == Effect::Done {
        return Ok(());
    }
    let order = orders::load(conn, delivery.order_id, orders::Of::Anyone).await?;
    if order.state == OrderState::Cancelled {
        let detail = "the food was delivered although the order was cancelled; the refund stands";
        alarms::raise(conn, "delivered_after_cancel", "order", order.id.0, detail).await?;
    }
    Ok(())
}
