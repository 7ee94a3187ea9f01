//! A delivery is withdrawn from its rider, or from those who have an offer of it, and searched for again. Before pickup only.

use pannier_contracts::{DeliveryId, Lifecycle as _, Version};
use pannier_platform::{Cause, Conn, Refusal};

use super::apply_trigger::{TransitionDetails, apply_trigger};
use super::refusals::not_in_this_state;
use crate::domain::lifecycle::{DeliveryLifecycle, Trigger};
use crate::store::{self, Delivery};

/// Withdraws the delivery; `seen` is the version that the caller has seen, if it decided on one.
///
/// # Errors
/// [`Refusal::NotFound`]; [`Refusal::Stale`] when it is not at the version `seen`; [`Refusal::Illegal`] when nobody has it
/// or an offer of it, or the rider has the food.
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
    if DeliveryLifecycle::table(delivery.state, Trigger::Reassign).is_none() {
        return Err(not_in_this_state(&delivery, Trigger::Reassign));
    }
    let details = TransitionDetails { reason: Some(reason), ..TransitionDetails::default() };
    let next = apply_trigger(conn, cause, &delivery, Trigger::Reassign, details).await?;
    tracing::info!(delivery.id = %id, reason, "Delivery {id} is searched for again: {reason}");
    Ok(next)
}
