//! Zones: an outline and a policy.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::zone::{Policy, ZoneSnapshot};
use pannier_contracts::{Place, Version, ZoneId};
use pannier_platform::{Cause, Conn, Json, Prepare as _, Refusal, events};
use uuid::Uuid;

use super::schema::{deliveries, zones};

#[derive(Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = zones)]
struct Row {
    id: ZoneId,
    uid: Uuid,
    name: String,
    polygon: Json<Vec<Place>>,
    policy: Json<Policy>,
    version: Version,
}

impl From<Row> for ZoneSnapshot {
    fn from(row: Row) -> Self {
        Self { id: row.id, version: row.version, name: row.name, polygon: row.polygon.0, policy: row.policy.0 }
    }
}

impl From<ZoneSnapshot> for Row {
    fn from(zone: ZoneSnapshot) -> Self {
        Self {
            uid: zone.id.uuid(),
            id: zone.id,
            name: zone.name,
            polygon: Json(zone.polygon),
            policy: Json(zone.policy),
            version: zone.version,
        }
    }
}

/// One zone, if it exists.
pub async fn find(conn: &mut Conn, id: &ZoneId) -> Result<Option<ZoneSnapshot>, Refusal> {
    let row = zones::table.find(id).select(Row::as_select()).first(conn).await.optional()?;
    Ok(row.map(Into::into))
}

/// All zones, by id.
pub async fn all(conn: &mut Conn) -> Result<Vec<ZoneSnapshot>, Refusal> {
    let rows = zones::table.order(zones::id).select(Row::as_select()).load(conn).await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The zones that need a dispatcher: those that exist, and those that open deliveries name.
pub async fn dispatched(conn: &mut Conn) -> Result<Vec<ZoneId>, Refusal> {
    let named = deliveries::table.filter(deliveries::is_open).select(deliveries::zone_id);
    Ok(zones::table.select(zones::id).union(named).prepared().load(conn).await?)
}

/// The policy of a zone. An order may name a zone that does not exist here yet; it is carried by the default policy.
pub async fn policy(conn: &mut Conn, id: &ZoneId) -> Result<Policy, Refusal> {
    let policy: Option<Json<Policy>> = zones::table.find(id).select(zones::policy).first(conn).await.optional()?;
    Ok(policy.map(|policy| policy.0).unwrap_or_default())
}

/// Writes a new zone, and publishes it.
///
/// # Errors
/// [`Refusal::Conflict`] when it exists already.
pub async fn insert(conn: &mut Conn, cause: &Cause, zone: &ZoneSnapshot) -> Result<(), Refusal> {
    let inserted = diesel::insert_into(zones::table)
        .values(Row::from(zone.clone()))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    if inserted == 0 {
        return Err(Refusal::Conflict);
    }
    events::append(conn, cause, "published", None, zone).await
}

/// Writes the next version of a zone, and publishes it.
///
/// # Errors
/// [`Refusal::Conflict`] when the zone is not at the version before `zone`'s.
pub async fn update(conn: &mut Conn, cause: &Cause, zone: &ZoneSnapshot) -> Result<(), Refusal> {
    let before = zones::table.find(&zone.id).filter(zones::version.eq(zone.version.0 - 1));
    let updated = diesel::update(before).set(Row::from(zone.clone())).execute(conn).await?;
    if updated == 0 {
        return Err(Refusal::Conflict);
    }
    events::append(conn, cause, "published", None, zone).await
}
