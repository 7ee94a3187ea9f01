//! A rider says yes: one winner, in time by the database's clock, within their capacity; everybody else hears the truth.

use pannier_contracts::offer::OfferState;
use pannier_contracts::{OfferId, RiderId};
use pannier_platform::{Cause, Conn, Refusal};

use super::advance::{How, advance};
use super::close_offers::too_late;
use super::tap::reassigned;
use crate::domain::lifecycle::{OfferTrigger, Trigger};
use crate::store::offers::Which;
use crate::store::{self, Delivery};

/// Takes the offer. Taking it again is no failure while the rider still has the delivery.
///
/// # Errors
/// 409 `offer_expired`, `offer_revoked`, `no_capacity`, `reassigned`.
pub async fn accept_offer(conn: &mut Conn, cause: &Cause, rider: RiderId, id: OfferId) -> Result<Delivery, Refusal> {
    let (delivery, now) = store::deliveries::lock_of_offer(conn, id, rider).await?;
    let offer = store::offers::of_rider(conn, id, rider).await?;
    match offer.state {
        OfferState::Sent => {}
        OfferState::Accepted if delivery.rider_id == Some(rider) => return Ok(delivery),
        OfferState::Accepted => return Err(reassigned(&delivery)),
        _ => return Err(too_late(&offer, OfferTrigger::Accept)),
    }
    let others = Which::Others(rider);
    let why = Some("already_assigned");
    let revoked = store::offers::close(conn, cause, &delivery, others, OfferTrigger::Revoke, why).await?;
    // Riders are counted in the order of their ids, so that two acceptances never wait in a circle; and before the offer
    // is taken, so that this assignment never overlaps with one that has just ended.
    let (before, after): (Vec<RiderId>, Vec<RiderId>) = revoked.iter().map(|o| o.rider_id).partition(|id| *id < rider);
    store::riders::count_closed(conn, &before).await?;
    let loaded = store::riders::load_up(conn, cause, rider).await?;
    store::riders::count_closed(conn, &after).await?;
    let in_time = Which::InTime(id);
    let taken = store::offers::close(conn, cause, &delivery, in_time, OfferTrigger::Accept, None).await?;
    if taken.is_empty() {
        return Err(too_late(&offer, OfferTrigger::Accept));
    }
    let Some(loaded) = loaded else {
        // All of this is undone: the offer stays open until it expires.
        return Err(Refusal::Illegal {
            code: "no_capacity",
            detail: "you have as many orders as you can take".to_owned(),
            state: OfferState::Sent.to_string(),
            allowed: vec!["decline".to_owned()],
        });
    };
    let how = How { rider: Some(rider), from: loaded.last_place, ..How::at(now) };
    let delivery = advance(conn, cause, &delivery, Trigger::Accept, how).await?;
    tracing::info!(delivery.id = %delivery.id, rider.id = %rider, "Delivery {} is carried by {rider}", delivery.id);
    Ok(delivery)
}
