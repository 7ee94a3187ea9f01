//! Somebody else shall carry it: before pickup only.

use pannier_contracts::{DeliveryId, Lifecycle as _, Version};
use pannier_platform::{Cause, Conn, Refusal};

use super::advance::{How, advance};
use crate::domain::actions;
use crate::domain::lifecycle::{DeliveryLifecycle, Trigger};
use crate::store::{self, Delivery};

/// Takes the delivery from its rider, or the question back from those who were asked, and searches again.
///
/// # Errors
/// 412 when it has changed since `seen`; 409 when nobody has it or was asked, or the rider has the food.
pub async fn reassign(
    conn: &mut Conn,
    cause: &Cause,
    id: DeliveryId,
    seen: Option<Version>,
    reason: &str,
) -> Result<Delivery, Refusal> {
    let delivery = store::deliveries::lock(conn, id).await?;
    if seen.is_some_and(|seen| seen != delivery.version) {
        return Err(Refusal::Stale { current: delivery.version });
    }
    DeliveryLifecycle::next(delivery.state, Trigger::Reassign)
        .map_err(|e| Refusal::illegal(&e, actions::owned(actions::of_ops(delivery.state))))?;
    let next =
        advance(conn, cause, &delivery, Trigger::Reassign, How { reason: Some(reason), ..How::default() }).await?;
    tracing::info!(delivery.id = %id, reason, "Delivery {id} shall go to somebody else: {reason}");
    Ok(next)
}
