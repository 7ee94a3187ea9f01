//! The rider's news. From pickup on the delivery decides, and the order walks the legal path to where it says.

use async_trait::async_trait;
use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
use pannier_contracts::order::OrderState;
use pannier_platform::consumer::{Effect, Handler};
use pannier_platform::{Cause, Conn, Refusal, alarms};

use super::{Wanted, follow};
use crate::domain::lifecycle::Trigger;
use crate::store::orders::{self, Change, Of};

/// Handler of `order.delivery`.
#[derive(Debug)]
pub struct OnDelivery;

#[async_trait]
impl Handler for OnDelivery {
    type Snapshot = DeliverySnapshot;
    const QUEUE: &'static str = "order.delivery";

    async fn handle(&self, conn: &mut Conn, cause: &Cause, delivery: &DeliverySnapshot) -> Result<Effect, Refusal> {
        let order = orders::load(conn, delivery.order_id, Of::Anyone).await?;
        let (id, state) = (order.id, order.state);
        let copy = Change {
            delivery: Some(serde_json::json!({
                "id": delivery.id, "state": delivery.state, "version": delivery.version, "rider_id": delivery.rider_id,
                "picked_up_at": delivery.picked_up_at, "delivered_at": delivery.delivered_at,
            })),
            ..Default::default()
        };
        if delivery.state == DeliveryState::Delivered && state == OrderState::Cancelled {
            let detail = "the food was delivered although the order was cancelled; the refund stands";
            alarms::raise(conn, "delivered_after_cancel", "order", id.0, detail).await?;
        }
        follow(conn, cause, order, copy, wanted(delivery)).await
    }
}

fn wanted(delivery: &DeliverySnapshot) -> Option<Wanted> {
    use OrderState as O;
    let (states, by): (&[OrderState], &[Trigger]) = match delivery.state {
        DeliveryState::PickedUp | DeliveryState::AtDropoff => (&[O::Delivering, O::Delivered], &[Trigger::PickUp]),
        DeliveryState::Delivered => (&[O::Delivered], &[Trigger::PickUp, Trigger::Deliver]),
        DeliveryState::Returning | DeliveryState::Returned => {
            (&[O::Cancelled, O::Failed], &[Trigger::PickUp, Trigger::BringBack])
        }
        DeliveryState::Failed => (&[O::Failed, O::Cancelled], &[Trigger::PickUp, Trigger::GiveUp]),
        DeliveryState::Unassignable => (&[O::Failed, O::Cancelled], &[Trigger::GiveUp]),
        // Before pickup the order decides.
        DeliveryState::Scheduled
        | DeliveryState::Searching
        | DeliveryState::Offered
        | DeliveryState::Assigned
        | DeliveryState::AtPickup
        | DeliveryState::Cancelled => return None,
    };
    Some(Wanted { states, by, reason: delivery.reason.clone() })
}
