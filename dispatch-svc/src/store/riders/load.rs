//! The load of riders: accepted deliveries and open offers, counted up and down in the rows themselves. The table checks
//! that together they never exceed the rider's capacity.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Integer, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::RiderId;
use pannier_platform::db::functions::greatest;
use pannier_platform::{Cause, Conn, Prepare as _, Refusal, events};

use super::queries::lock;
use super::row::Rider;
use crate::store::literal::offline;
use crate::store::schema::riders;

/// Adds an open offer per id; an id may be given several times. The caller holds the locks of the riders.
///
/// # Errors
/// [`Refusal::Bug`] when a rider's capacity would be exceeded.
pub async fn add_open_offers(conn: &mut Conn, ids: &[RiderId]) -> Result<(), Refusal> {
    change_open_offers(conn, ids, 1).await
}

/// Removes an open offer per id; an id may be given several times. Several riders are locked first, in the order of their
/// ids.
pub async fn remove_open_offers(conn: &mut Conn, ids: &[RiderId]) -> Result<(), Refusal> {
    if ids.is_empty() {
        return Ok(());
    }
    if ids.len() > 1 {
        lock(conn, ids).await?;
    }
    change_open_offers(conn, ids, -1).await
}

async fn change_open_offers(conn: &mut Conn, ids: &[RiderId], by: i32) -> Result<(), Refusal> {
    // Raw: several rows, each with a number of its own.
    diesel::sql_query(
        "UPDATE riders r SET open_offers = greatest(0, r.open_offers + $2 * counted.n)
         FROM (SELECT id, count(*)::integer AS n FROM unnest($1) AS given (id) GROUP BY id ORDER BY id) AS counted
         WHERE r.id = counted.id",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Integer, _>(by)
    .prepared()
    .execute(conn)
    .await?;
    Ok(())
}

/// Turns an open offer into a delivery that the rider carries. None when they are at capacity or not on shift.
pub async fn add_delivery(conn: &mut Conn, cause: &Cause, id: RiderId) -> Result<Option<Rider>, Refusal> {
    let row: Option<Rider> = diesel::update(
        riders::table.find(id).filter(riders::active.lt(riders::capacity)).filter(riders::status.ne(offline())),
    )
    .set((
        riders::active.eq(riders::active + 1),
        riders::open_offers.eq(greatest(0, riders::open_offers - 1)),
        riders::offers_accepted.eq(riders::offers_accepted + 1),
        riders::offers_answered.eq(riders::offers_answered + 1),
        riders::version.eq(riders::version + 1),
    ))
    .returning(Rider::as_returning())
    .prepared()
    .get_result(conn)
    .await
    .optional()?;
    if let Some(row) = &row {
        events::append(conn, cause, "load_changed", None, &row.snapshot()).await?;
    }
    Ok(row)
}

/// Removes a delivery that the rider carried until `now`.
pub async fn remove_delivery(conn: &mut Conn, cause: &Cause, id: RiderId, now: DateTime<Utc>) -> Result<(), Refusal> {
    let row: Rider = diesel::update(riders::table.find(id))
        .set((
            riders::active.eq(riders::active - 1),
            riders::idle_since.eq(now),
            riders::version.eq(riders::version + 1),
        ))
        .returning(Rider::as_returning())
        .prepared()
        .get_result(conn)
        .await?;
    events::append(conn, cause, "load_changed", None, &row.snapshot()).await
}

/// Counts an offer that was declined or expired against the acceptance rate of each rider.
pub async fn count_unaccepted(conn: &mut Conn, ids: &[RiderId]) -> Result<(), Refusal> {
    diesel::update(riders::table.filter(riders::id.eq_any(ids)))
        .set(riders::offers_answered.eq(riders::offers_answered + 1))
        .prepared()
        .execute(conn)
        .await?;
    Ok(())
}
