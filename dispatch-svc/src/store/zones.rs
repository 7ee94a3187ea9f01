//! Zones: a polygon and a policy.

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

/// One zone.
///
/// # Errors
/// What the database says.
pub async fn find(conn: &mut Conn, id: &ZoneId) -> Result<Option<ZoneSnapshot>, Refusal> {
    let row = zones::table.find(id).select(Row::as_select()).first(conn).await.optional()?;
    Ok(row.map(Into::into))
}

/// Zones in which something may have to be dispatched: those that are drawn, and those that open deliveries name.
///
/// # Errors
/// What the database refuses.
pub async fn dispatched(conn: &mut Conn) -> Result<Vec<ZoneId>, Refusal> {
    let named = deliveries::table.filter(deliveries::is_open).select(deliveries::zone_id);
    Ok(zones::table.select(zones::id).union(named).prepared().load(conn).await?)
}

/// All zones, by name.
///
/// # Errors
/// What the database says.
pub async fn all(conn: &mut Conn) -> Result<Vec<ZoneSnapshot>, Refusal> {
    let rows = zones::table.order(zones::id).select(Row::as_select()).load(conn).await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The policy of a zone; the default one where nobody has made the zone yet: its orders are carried all the same.
///
/// # Errors
/// What the database says.
pub async fn policy(conn: &mut Conn, id: &ZoneId) -> Result<Policy, Refusal> {
    let policy: Option<Json<Policy>> = zones::table.find(id).select(zones::policy).first(conn).await.optional()?;
    Ok(policy.map(|policy| policy.0).unwrap_or_default())
}

/// Makes a zone, and tells.
///
/// # Errors
/// `Conflict` when somebody else just made it.
pub async fn insert(conn: &mut Conn, cause: &Cause, zone: &ZoneSnapshot) -> Result<(), Refusal> {
    let made = diesel::insert_into(zones::table)
        .values(Row::from(zone.clone()))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    if made == 0 {
        return Err(Refusal::Conflict);
    }
    events::append(conn, cause, "published", None, zone).await
}

/// Changes the zone that was seen at the version before `zone`'s, and tells.
///
/// # Errors
/// `Conflict` when it has changed since.
pub async fn update(conn: &mut Conn, cause: &Cause, zone: &ZoneSnapshot) -> Result<(), Refusal> {
    let before = zones::table.find(&zone.id).filter(zones::version.eq(zone.version.0 - 1));
    let changed = diesel::update(before).set(Row::from(zone.clone())).execute(conn).await?;
    if changed == 0 {
        return Err(Refusal::Conflict);
    }
    events::append(conn, cause, "published", None, zone).await
}
