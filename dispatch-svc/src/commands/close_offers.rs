//! Offers that come to nothing: declined, or not answered in time. A delivery that nobody is asked for any more is
//! searched for again.

use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::offer::OfferState;
use pannier_contracts::{DeliveryId, IllegalTransition, OfferId, RiderId};
use pannier_platform::{Cause, Conn, Refusal};

use super::advance::{How, advance};
use crate::domain::lifecycle::{OfferTrigger, Trigger};
use crate::store::offers::Which;
use crate::store::{self, Delivery, Offer};

/// A rider says no. Saying it twice is no failure.
///
/// # Errors
/// 409 when the offer ended in another way.
pub async fn decline(
    conn: &mut Conn,
    cause: &Cause,
    rider: RiderId,
    id: OfferId,
    reason: Option<&str>,
) -> Result<(Offer, Delivery), Refusal> {
    let offer = store::offers::of_rider(conn, id, rider).await?;
    let delivery = store::deliveries::lock(conn, offer.delivery_id).await?;
    let closed =
        store::offers::close_counted(conn, cause, &delivery, Which::One(id), OfferTrigger::Decline, reason).await?;
    let Some(offer) = closed.into_iter().next() else {
        let offer = store::offers::of_rider(conn, id, rider).await?;
        if offer.state == OfferState::Declined {
            return Ok((offer, delivery));
        }
        return Err(too_late(&offer, OfferTrigger::Decline));
    };
    let delivery = settle(conn, cause, delivery).await?;
    store::riders::count_no(conn, &[rider]).await?;
    Ok((offer, delivery))
}

/// Takes note that offers of a delivery ran out.
///
/// # Errors
/// `Conflict` when the delivery changed in this moment.
pub async fn expire(conn: &mut Conn, cause: &Cause, delivery: DeliveryId) -> Result<(), Refusal> {
    let delivery = store::deliveries::lock(conn, delivery).await?;
    let expired =
        store::offers::close_counted(conn, cause, &delivery, Which::Overdue, OfferTrigger::Expire, None).await?;
    settle(conn, cause, delivery).await?;
    let mut riders: Vec<RiderId> = expired.iter().map(|o| o.rider_id).collect();
    riders.sort_unstable();
    store::riders::count_no(conn, &riders).await
}

/// A rider who leaves answers what they were asked: no.
///
/// # Errors
/// `Conflict` when the delivery changed in this moment.
pub async fn leave(conn: &mut Conn, cause: &Cause, delivery: DeliveryId, rider: RiderId) -> Result<(), Refusal> {
    let delivery = store::deliveries::lock(conn, delivery).await?;
    let of_rider = Which::Rider(rider);
    store::offers::close_counted(conn, cause, &delivery, of_rider, OfferTrigger::Revoke, Some("rider_offline")).await?;
    settle(conn, cause, delivery).await?;
    Ok(())
}

/// Searches again when no offer is open any more.
///
/// # Errors
/// `Conflict` when the delivery changed in this moment.
pub async fn settle(conn: &mut Conn, cause: &Cause, delivery: Delivery) -> Result<Delivery, Refusal> {
    if delivery.state == DeliveryState::Offered && store::offers::count_open(conn, delivery.id).await? == 0 {
        return advance(conn, cause, &delivery, Trigger::LoseOffers, How::default()).await;
    }
    Ok(delivery)
}

/// Why an offer cannot be answered any more: the truth, with a word for the rider's app.
pub(super) fn too_late(offer: &Offer, tried: OfferTrigger) -> Refusal {
    let (code, detail, state) = match offer.state {
        OfferState::Sent | OfferState::Expired => {
            ("offer_expired", "the offer was not answered in time".to_owned(), OfferState::Expired)
        }
        OfferState::Revoked => {
            let detail = match offer.reason.as_deref() {
                Some("already_assigned") => "another rider took it".to_owned(),
                Some(reason) => format!("the offer was taken back: {reason}"),
                None => "the offer was taken back".to_owned(),
            };
            ("offer_revoked", detail, OfferState::Revoked)
        }
        state @ (OfferState::Accepted | OfferState::Declined) => {
            let e = IllegalTransition { lifecycle: "offer", from: state.to_string(), trigger: tried.to_string() };
            ("illegal_transition", e.to_string(), state)
        }
    };
    Refusal::Illegal { code, detail, state: state.to_string(), allowed: Vec::new() }
}
