//! A rider accepts an offer. One rider wins, if the offer has not expired by the database's clock and their capacity allows.

use chrono::{DateTime, Utc};
use pannier_contracts::offer::OfferState;
use pannier_contracts::{OfferId, RiderId};
use pannier_platform::{Cause, Conn, Refusal};

use super::apply_trigger::{TransitionDetails, apply_trigger};
use super::refusals::{offer_closed, reassigned};
use crate::domain::lifecycle::{OfferTrigger, Trigger};
use crate::store::offers::OfferFilter;
use crate::store::{self, Delivery, Offer};

/// Accepts the offer. Accepting again succeeds while the rider still has the delivery.
///
/// # Errors
/// [`Refusal::NotFound`] when the offer is another rider's; [`Refusal::Illegal`] `offer_expired`, `offer_revoked`,
/// `no_capacity` or `reassigned`.
pub async fn accept_offer(conn: &mut Conn, cause: &Cause, rider: RiderId, id: OfferId) -> Result<Delivery, Refusal> {
    let (delivery, now) = store::deliveries::lock_by_offer(conn, id, rider).await?;
    let offer = store::offers::load_for_rider(conn, id, rider).await?;
    match offer.state {
        OfferState::Sent => {}
        OfferState::Accepted if delivery.rider_id == Some(rider) => return Ok(delivery),
        OfferState::Accepted => return Err(reassigned(&delivery)),
        _ => return Err(offer_closed(&offer, OfferTrigger::Accept)),
    }
    accept(conn, cause, &delivery, now, &offer).await
}

/// Gives a delivery, which the caller has locked at `now`, to the rider of an open offer of it.
///
/// # Errors
/// [`Refusal::Illegal`] `offer_expired` or `no_capacity`.
pub(super) async fn accept(
    conn: &mut Conn,
    cause: &Cause,
    delivery: &Delivery,
    now: DateTime<Utc>,
    offer: &Offer,
) -> Result<Delivery, Refusal> {
    let rider = offer.rider_id;
    let (others, reason) = (OfferFilter::ToOthers(rider), Some("already_assigned"));
    let revoked = store::offers::close(conn, cause, delivery, others, OfferTrigger::Revoke, reason).await?;
    // Riders' rows are written in the order of their ids, so that two acceptances never wait for each other in a circle;
    // and before the offer is accepted, so that this assignment does not overlap with one that has just ended.
    let (before, after): (Vec<RiderId>, Vec<RiderId>) = revoked.iter().map(|o| o.rider_id).partition(|id| *id < rider);
    store::riders::remove_open_offers(conn, &before).await?;
    let carrier = store::riders::add_delivery(conn, cause, rider).await?;
    store::riders::remove_open_offers(conn, &after).await?;
    let unexpired = OfferFilter::NotExpired(offer.id);
    let accepted = store::offers::close(conn, cause, delivery, unexpired, OfferTrigger::Accept, None).await?;
    if accepted.is_empty() {
        return Err(offer_closed(offer, OfferTrigger::Accept));
    }
    let Some(carrier) = carrier else {
        // The transaction is rolled back: the offer stays open until it expires.
        return Err(Refusal::Illegal {
            code: "no_capacity",
            detail: "you have as many orders as you can take".to_owned(),
            state: OfferState::Sent.to_string(),
            allowed: vec!["decline".to_owned()],
        });
    };
    let details = TransitionDetails { rider: Some(rider), from: carrier.last_place, ..TransitionDetails::at(now) };
    let delivery = apply_trigger(conn, cause, delivery, Trigger::Accept, details).await?;
    tracing::info!(delivery.id = %delivery.id, rider.id = %rider, "Delivery {} is carried by {rider}", delivery.id);
    Ok(delivery)
}
