//! Changing riders: every new version is announced by one event.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::event::Snapshot as _;
use pannier_contracts::rider::RiderSnapshot;
use pannier_platform::{Cause, Conn, Prepare as _, Refusal, events};

use super::row::Rider;
use crate::store::schema::riders;

/// Writes a new rider, and announces them.
///
/// # Errors
/// [`Refusal::Conflict`] when there is one with this id.
pub async fn insert(conn: &mut Conn, cause: &Cause, rider: &RiderSnapshot) -> Result<Rider, Refusal> {
    let row: Option<Rider> = diesel::insert_into(riders::table)
        .values((
            riders::id.eq(rider.id),
            riders::name.eq(&rider.name),
            riders::vehicle.eq(&rider.vehicle),
            riders::speed_mps.eq(rider.speed_mps),
            riders::capacity.eq(rider.capacity),
            riders::status.eq(rider.status),
            riders::version.eq(rider.version()),
        ))
        .on_conflict_do_nothing()
        .returning(Rider::as_returning())
        .prepared()
        .get_result(conn)
        .await
        .optional()?;
    let row = row.ok_or(Refusal::Conflict)?;
    events::append(conn, cause, "created", None, rider).await?;
    Ok(row)
}

/// Writes a change of profile, shift or staleness, and announces it as `kind`. The load is not written: see
/// [`super::add_delivery`].
///
/// # Errors
/// [`Refusal::Conflict`] when a concurrent update won.
pub async fn update(
    conn: &mut Conn,
    cause: &Cause,
    kind: &str,
    rider: &Rider,
    change: impl FnOnce(&mut Rider),
) -> Result<Rider, Refusal> {
    let mut next = rider.clone();
    change(&mut next);
    let row: Option<Rider> = diesel::update(riders::table.find(rider.id).filter(riders::version.eq(rider.version)))
        .set((
            riders::name.eq(&next.name),
            riders::vehicle.eq(&next.vehicle),
            riders::speed_mps.eq(next.speed_mps),
            riders::capacity.eq(next.capacity),
            riders::status.eq(next.status),
            riders::stale.eq(next.stale),
            riders::idle_since.eq(next.idle_since),
            riders::version.eq(riders::version + 1),
        ))
        .returning(Rider::as_returning())
        .prepared()
        .get_result(conn)
        .await
        .optional()?;
    let row = row.ok_or(Refusal::Conflict)?;
    events::append(conn, cause, kind, None, &row.snapshot()).await?;
    Ok(row)
}
