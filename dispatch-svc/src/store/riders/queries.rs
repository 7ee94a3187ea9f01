//! Reading and locking riders.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::RiderId;
use pannier_platform::{Conn, Prepare as _, Refusal};
use uuid::Uuid;

use super::row::Rider;
use crate::store::literal::offline;
use crate::store::schema::riders;

/// One rider.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn load(conn: &mut Conn, id: RiderId) -> Result<Rider, Refusal> {
    find(conn, id).await?.ok_or(Refusal::NotFound("rider"))
}

/// One rider, if there is one.
pub async fn find(conn: &mut Conn, id: RiderId) -> Result<Option<Rider>, Refusal> {
    Ok(riders::table.find(id).select(Rider::as_select()).first(conn).await.optional()?)
}

/// Locks riders in the order of their ids. Ids without a row are left out.
pub async fn lock(conn: &mut Conn, ids: &[RiderId]) -> Result<Vec<Rider>, Refusal> {
    Ok(riders::table
        .filter(riders::id.eq_any(ids))
        .order(riders::id)
        .select(Rider::as_select())
        .for_no_key_update()
        .load(conn)
        .await?)
}

/// Riders in any order. Ids without a row are left out.
pub async fn by_ids(conn: &mut Conn, ids: &[RiderId]) -> Result<Vec<Rider>, Refusal> {
    Ok(riders::table.filter(riders::id.eq_any(ids)).select(Rider::as_select()).load(conn).await?)
}

/// All riders on shift.
pub async fn on_shift(conn: &mut Conn) -> Result<Vec<Rider>, Refusal> {
    let on_shift = riders::table.filter(riders::status.ne(offline()));
    Ok(on_shift.select(Rider::as_select()).prepared().load(conn).await?)
}

/// At most `limit` riders by id, after a cursor.
pub async fn page(conn: &mut Conn, after: Option<Uuid>, limit: i64) -> Result<Vec<Rider>, Refusal> {
    Ok(riders::table
        .filter(riders::id.gt(after.unwrap_or(Uuid::nil())))
        .order(riders::id)
        .limit(limit)
        .select(Rider::as_select())
        .load(conn)
        .await?)
}
