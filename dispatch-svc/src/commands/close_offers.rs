//! Offers that end without acceptance: declined, expired, or revoked because the rider leaves. A delivery without any open
//! offer is searched for again.

use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::offer::OfferState;
use pannier_contracts::{DeliveryId, OfferId, RiderId};
use pannier_platform::{Cause, Conn, Refusal};

use super::apply_trigger::{TransitionDetails, apply_trigger};
use super::refusals::offer_closed;
use crate::domain::lifecycle::{OfferTrigger, Trigger};
use crate::store::offers::{OfferFilter, close_and_count};
use crate::store::{self, Delivery, Offer};

/// A rider declines an offer. Declining again succeeds.
///
/// # Errors
/// [`Refusal::NotFound`] when the offer is another rider's; [`Refusal::Illegal`] when it ended in another way.
pub async fn decline(
    conn: &mut Conn,
    cause: &Cause,
    rider: RiderId,
    id: OfferId,
    reason: Option<&str>,
) -> Result<(Offer, Delivery), Refusal> {
    let offer = store::offers::load_for_rider(conn, id, rider).await?;
    let delivery = store::deliveries::lock(conn, offer.delivery_id).await?;
    let one = OfferFilter::One(id);
    let closed = close_and_count(conn, cause, &delivery, one, OfferTrigger::Decline, reason).await?;
    let Some(offer) = closed.into_iter().next() else {
        let offer = store::offers::load_for_rider(conn, id, rider).await?;
        if offer.state == OfferState::Declined {
            return Ok((offer, delivery));
        }
        return Err(offer_closed(&offer, OfferTrigger::Decline));
    };
    let delivery = search_again(conn, cause, delivery).await?;
    store::riders::count_unaccepted(conn, &[rider]).await?;
    Ok((offer, delivery))
}

/// Closes the expired offers of a delivery.
pub async fn expire(conn: &mut Conn, cause: &Cause, delivery: DeliveryId) -> Result<(), Refusal> {
    let delivery = store::deliveries::lock(conn, delivery).await?;
    let expired = OfferFilter::Expired;
    let closed = close_and_count(conn, cause, &delivery, expired, OfferTrigger::Expire, None).await?;
    search_again(conn, cause, delivery).await?;
    let mut riders: Vec<RiderId> = closed.iter().map(|o| o.rider_id).collect();
    riders.sort_unstable();
    store::riders::count_unaccepted(conn, &riders).await
}

/// Revokes a rider's offer of a delivery, because they end their shift.
pub async fn revoke(conn: &mut Conn, cause: &Cause, delivery: DeliveryId, rider: RiderId) -> Result<(), Refusal> {
    let delivery = store::deliveries::lock(conn, delivery).await?;
    revoke_locked(conn, cause, delivery, rider, "rider_offline").await
}

/// [`revoke`] of a delivery that the caller has locked, for this reason.
pub(super) async fn revoke_locked(
    conn: &mut Conn,
    cause: &Cause,
    delivery: Delivery,
    rider: RiderId,
    reason: &str,
) -> Result<(), Refusal> {
    let theirs = OfferFilter::ToRider(rider);
    close_and_count(conn, cause, &delivery, theirs, OfferTrigger::Revoke, Some(reason)).await?;
    search_again(conn, cause, delivery).await?;
    Ok(())
}

/// Moves the delivery from `offered` back to `searching`, unless an offer is open.
async fn search_again(conn: &mut Conn, cause: &Cause, delivery: Delivery) -> Result<Delivery, Refusal> {
    if delivery.state == DeliveryState::Offered && store::offers::count_open(conn, delivery.id).await? == 0 {
        return apply_trigger(conn, cause, &delivery, Trigger::LoseOffers, TransitionDetails::default()).await;
    }
    Ok(delivery)
}
