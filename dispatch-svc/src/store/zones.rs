//! Zones: a polygon and a policy.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::zone::{Policy, ZoneSnapshot};
use pannier_contracts::{Place, Version, ZoneId};
use pannier_platform::{Cause, Conn, Prepare as _, Refusal, events};

use super::schema::zones;
use pannier_platform::Json;

/// A zone.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = zones)]
pub struct Zone {
    /// Its name in URLs.
    #[diesel(deserialize_as = String)]
    pub id: ZoneName,
    /// What people read.
    pub name: String,
    /// The outline.
    pub polygon: Json<Vec<Place>>,
    /// What dispatch does there.
    pub policy: Json<Policy>,
    /// How often it has changed.
    #[diesel(deserialize_as = i64)]
    pub version: Version,
}

/// A zone id as it comes from the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneName(pub ZoneId);

impl TryFrom<String> for ZoneName {
    type Error = pannier_contracts::zone::InvalidZoneId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl Zone {
    /// As the world sees it.
    #[must_use]
    pub fn snapshot(&self) -> ZoneSnapshot {
        ZoneSnapshot {
            id: self.id.0.clone(),
            version: self.version,
            name: self.name.clone(),
            polygon: self.polygon.0.clone(),
            policy: self.policy.0.clone(),
        }
    }
}

/// One zone.
///
/// # Errors
/// What the database says.
pub async fn find(conn: &mut Conn, id: &ZoneId) -> Result<Option<Zone>, Refusal> {
    Ok(zones::table.find(id.as_str()).select(Zone::as_select()).first(conn).await.optional()?)
}

/// Zones in which something may have to be dispatched: those that are drawn, and those that open deliveries name.
///
/// # Errors
/// What the database refuses.
pub async fn dispatched(conn: &mut Conn) -> Result<Vec<ZoneId>, Refusal> {
    #[derive(QueryableByName)]
    struct Named {
        #[diesel(sql_type = diesel::sql_types::Text)]
        id: String,
    }
    let zones: Vec<Named> =
        diesel::sql_query("SELECT id FROM zones UNION SELECT zone_id FROM deliveries WHERE is_open")
            .prepared()
            .load(conn)
            .await?;
    Ok(zones.into_iter().filter_map(|zone| zone.id.parse().ok()).collect())
}

/// All zones, by name.
///
/// # Errors
/// What the database says.
pub async fn all(conn: &mut Conn) -> Result<Vec<Zone>, Refusal> {
    Ok(zones::table.order(zones::id).select(Zone::as_select()).load(conn).await?)
}

/// The policy of a zone; the default one where nobody has made the zone yet: its orders are carried all the same.
///
/// # Errors
/// What the database says.
pub async fn policy(conn: &mut Conn, id: &ZoneId) -> Result<Policy, Refusal> {
    let policy: Option<Json<Policy>> =
        zones::table.filter(zones::id.eq(id.as_str())).select(zones::policy).first(conn).await.optional()?;
    Ok(policy.map(|policy| policy.0).unwrap_or_default())
}

/// Makes a zone, and tells.
///
/// # Errors
/// `Conflict` when somebody else just made it.
pub async fn insert(conn: &mut Conn, cause: &Cause, zone: &ZoneSnapshot) -> Result<(), Refusal> {
    let made = diesel::insert_into(zones::table)
        .values((
            zones::id.eq(zone.id.as_str()),
            zones::uid.eq(zone.id.uuid()),
            zones::name.eq(&zone.name),
            zones::polygon.eq(Json(zone.polygon.clone())),
            zones::policy.eq(Json(zone.policy.clone())),
            zones::version.eq(zone.version.0),
        ))
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
    let changed = diesel::update(zones::table.find(zone.id.as_str()).filter(zones::version.eq(zone.version.0 - 1)))
        .set((
            zones::name.eq(&zone.name),
            zones::polygon.eq(Json(zone.polygon.clone())),
            zones::policy.eq(Json(zone.policy.clone())),
            zones::version.eq(zone.version.0),
        ))
        .execute(conn)
        .await?;
    if changed == 0 {
        return Err(Refusal::Conflict);
    }
    events::append(conn, cause, "published", None, zone).await
}
