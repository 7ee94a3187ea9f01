//! Reading offers.

use diesel::dsl::{IntervalDsl as _, exists, not};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::offer::OfferState;
use pannier_contracts::{DeliveryId, OfferId, RiderId};
use pannier_platform::db::functions::{statement_timestamp, subtract_interval};
use pannier_platform::{Conn, Prepare as _, Refusal};

use super::row::Offer;
use crate::store::literal::sent;
use crate::store::schema::{deliveries, offers};

/// An offer to this rider.
///
/// # Errors
/// [`Refusal::NotFound`] when there is no such offer, or it is another rider's.
pub async fn load_for_rider(conn: &mut Conn, id: OfferId, rider: RiderId) -> Result<Offer, Refusal> {
    offers::table
        .find(id)
        .filter(offers::rider_id.eq(rider))
        .select(Offer::as_select())
        .first(conn)
        .await
        .optional()?
        .ok_or(Refusal::NotFound("offer"))
}

/// One offer, if there is one.
pub async fn find(conn: &mut Conn, id: OfferId) -> Result<Option<Offer>, Refusal> {
    Ok(offers::table.find(id).select(Offer::as_select()).first(conn).await.optional()?)
}

/// All offers of a delivery, oldest first.
pub async fn of_delivery(conn: &mut Conn, delivery: DeliveryId) -> Result<Vec<Offer>, Refusal> {
    of_deliveries(conn, &[delivery]).await
}

/// All offers of these deliveries, oldest first.
pub async fn of_deliveries(conn: &mut Conn, deliveries: &[DeliveryId]) -> Result<Vec<Offer>, Refusal> {
    Ok(offers::table
        .filter(offers::delivery_id.eq_any(deliveries))
        .order(offers::id)
        .select(Offer::as_select())
        .load(conn)
        .await?)
}

/// The offers that a rider may answer now, oldest first.
pub async fn open_of_rider(conn: &mut Conn, rider: RiderId) -> Result<Vec<Offer>, Refusal> {
    Ok(offers::table
        .filter(offers::rider_id.eq(rider))
        .filter(offers::state.eq(sent()))
        .filter(offers::expires_at.gt(statement_timestamp()))
        .order(offers::id)
        .select(Offer::as_select())
        .prepared()
        .load(conn)
        .await?)
}

/// The deliveries of which a rider has an open offer, by id: the order in which they are locked.
pub async fn deliveries_offered_to(conn: &mut Conn, rider: RiderId) -> Result<Vec<DeliveryId>, Refusal> {
    Ok(offers::table
        .filter(offers::rider_id.eq(rider))
        .filter(offers::state.eq(sent()))
        .order(offers::delivery_id)
        .select(offers::delivery_id)
        .prepared()
        .load(conn)
        .await?)
}

/// Deliveries with an offer that expired more than `late_s` seconds ago and is open all the same, and deliveries that are
/// `offered` without an open offer.
pub async fn deliveries_to_settle(conn: &mut Conn, late_s: i64) -> Result<Vec<DeliveryId>, Refusal> {
    let overdue = offers::table
        .filter(offers::state.eq(sent()))
        .filter(offers::expires_at.lt(subtract_interval(statement_timestamp(), late_s.seconds())))
        .select(offers::delivery_id);
    let open = offers::table.filter(offers::delivery_id.eq(deliveries::id)).filter(offers::state.eq(sent()));
    let without_offer = deliveries::table
        .filter(deliveries::is_open)
        .filter(deliveries::state.eq(DeliveryState::Offered))
        .filter(not(exists(open)))
        .select(deliveries::id);
    Ok(overdue.union(without_offer).prepared().load(conn).await?)
}

/// The number of open offers of a delivery.
pub async fn count_open(conn: &mut Conn, delivery: DeliveryId) -> Result<i64, Refusal> {
    let open = offers::table.filter(offers::delivery_id.eq(delivery)).filter(offers::state.eq(OfferState::Sent));
    Ok(open.count().get_result(conn).await?)
}

/// The offer of a delivery that a rider accepted last, if any.
pub async fn last_accepted(conn: &mut Conn, delivery: DeliveryId, rider: RiderId) -> Result<Option<Offer>, Refusal> {
    Ok(offers::table
        .filter(offers::delivery_id.eq(delivery))
        .filter(offers::rider_id.eq(rider))
        .filter(offers::state.eq(OfferState::Accepted))
        .order(offers::id.desc())
        .select(Offer::as_select())
        .first(conn)
        .await
        .optional()?)
}
