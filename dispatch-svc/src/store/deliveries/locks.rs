//! Row locks of deliveries. Whatever changes a delivery's offers or its rider's load locks the delivery first, so that
//! transactions never wait for each other in a circle.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::{DeliveryId, OfferId, OrderId, RiderId, Version};
use pannier_platform::db::functions::clock_timestamp;
use pannier_platform::{Conn, Refusal};

use super::row::Delivery;
use crate::store::schema::{deliveries, offers};

/// Locks a delivery.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn lock(conn: &mut Conn, id: DeliveryId) -> Result<Delivery, Refusal> {
    Ok(lock_with_now(conn, id).await?.0)
}

/// Locks a delivery, and reads the database's clock.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn lock_with_now(conn: &mut Conn, id: DeliveryId) -> Result<(Delivery, DateTime<Utc>), Refusal> {
    deliveries::table
        .find(id)
        .select((Delivery::as_select(), clock_timestamp()))
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?
        .ok_or(Refusal::NotFound("delivery"))
}

/// [`lock_with_now`] for a caller who has looked at the version `seen`.
///
/// # Errors
/// [`Refusal::NotFound`]; [`Refusal::Stale`] when it is at another version.
pub async fn lock_seen(conn: &mut Conn, id: DeliveryId, seen: Version) -> Result<(Delivery, DateTime<Utc>), Refusal> {
    let (delivery, now) = lock_with_now(conn, id).await?;
    if delivery.version != seen {
        return Err(Refusal::Stale { current: delivery.version });
    }
    Ok((delivery, now))
}

/// Locks the delivery of a rider's offer, and reads the database's clock. The offer cannot change until the lock is released.
///
/// # Errors
/// [`Refusal::NotFound`] when there is no such offer, or it is another rider's.
pub async fn lock_by_offer(
    conn: &mut Conn,
    offer: OfferId,
    rider: RiderId,
) -> Result<(Delivery, DateTime<Utc>), Refusal> {
    let of_offer =
        offers::table.filter(offers::id.eq(offer)).filter(offers::rider_id.eq(rider)).select(offers::delivery_id);
    deliveries::table
        .filter(deliveries::id.eq_any(of_offer))
        .select((Delivery::as_select(), clock_timestamp()))
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?
        .ok_or(Refusal::NotFound("offer"))
}

/// Locks deliveries in the order of their ids, and reads the database's clock. Ids without a row are left out.
pub async fn lock_all(conn: &mut Conn, ids: &[DeliveryId]) -> Result<Vec<(Delivery, DateTime<Utc>)>, Refusal> {
    Ok(deliveries::table
        .filter(deliveries::id.eq_any(ids))
        .order(deliveries::id)
        .select((Delivery::as_select(), clock_timestamp()))
        .for_no_key_update()
        .load(conn)
        .await?)
}

/// Locks the delivery of an order, if it has one.
pub async fn lock_by_order(conn: &mut Conn, order: OrderId) -> Result<Option<Delivery>, Refusal> {
    Ok(deliveries::table
        .filter(deliveries::order_id.eq(order))
        .select(Delivery::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?)
}
