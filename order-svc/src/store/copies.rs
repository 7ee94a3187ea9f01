//! Our copies of shops and zones. Newest version wins, so news may come twice and in any order.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::merchant::MerchantSnapshot;
use pannier_contracts::zone::{Policy, ZoneSnapshot};
use pannier_contracts::{MerchantId, Place, Version, ZoneId};
use pannier_platform::{Conn, Refusal};
use uuid::Uuid;

use super::schema::{merchants, zones};
use crate::domain::zones::{contains, size};

/// A shop's row.
type MerchantRow = (Uuid, i64, String, f64, f64, String, i64, String, serde_json::Value);

fn merchant(
    (id, version, name, lat, lng, currency, prep_ms, status, menu): MerchantRow,
) -> Result<MerchantSnapshot, Refusal> {
    let parsed = || -> anyhow::Result<MerchantSnapshot> {
        Ok(MerchantSnapshot {
            id: MerchantId(id),
            version: Version(version),
            name,
            place: Place::new(lat, lng)?,
            currency: currency.parse()?,
            prep_ms,
            status: status.parse()?,
            menu: serde_json::from_value(menu)?,
        })
    };
    parsed().map_err(Refusal::Bug)
}

/// Keeps a shop's snapshot, unless we have a newer one.
///
/// # Errors
/// What the database says.
pub async fn keep_merchant(conn: &mut Conn, m: &MerchantSnapshot) -> Result<(), Refusal> {
    use diesel::upsert::excluded;
    let menu = serde_json::to_value(&m.menu).map_err(|e| Refusal::Bug(e.into()))?;
    let upsert = diesel::insert_into(merchants::table)
        .values((
            merchants::id.eq(m.id.0),
            merchants::version.eq(m.version.0),
            merchants::name.eq(&m.name),
            merchants::lat.eq(m.place.lat()),
            merchants::lng.eq(m.place.lng()),
            merchants::currency.eq(m.currency.as_str()),
            merchants::prep_ms.eq(m.prep_ms),
            merchants::status.eq(m.status.as_str()),
            merchants::menu.eq(menu),
        ))
        .on_conflict(merchants::id)
        .do_update()
        .set((
            merchants::version.eq(excluded(merchants::version)),
            merchants::name.eq(excluded(merchants::name)),
            merchants::lat.eq(excluded(merchants::lat)),
            merchants::lng.eq(excluded(merchants::lng)),
            merchants::currency.eq(excluded(merchants::currency)),
            merchants::prep_ms.eq(excluded(merchants::prep_ms)),
            merchants::status.eq(excluded(merchants::status)),
            merchants::menu.eq(excluded(merchants::menu)),
        ));
    diesel::query_dsl::methods::FilterDsl::filter(upsert, merchants::version.lt(excluded(merchants::version)))
        .execute(conn)
        .await?;
    Ok(())
}

/// A shop as we know it.
///
/// # Errors
/// What the database says.
pub async fn find_merchant(conn: &mut Conn, id: MerchantId) -> Result<Option<MerchantSnapshot>, Refusal> {
    let row: Option<MerchantRow> = merchants::table.find(id.0).first(conn).await.optional()?;
    row.map(merchant).transpose()
}

/// Shops inside an outline, at most 500.
///
/// # Errors
/// What the database says.
pub async fn merchants_within(conn: &mut Conn, outline: &[Place]) -> Result<Vec<MerchantSnapshot>, Refusal> {
    let range = |of: fn(&Place) -> f64| {
        outline.iter().map(of).fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)))
    };
    let (south, north) = range(Place::lat);
    let (west, east) = range(Place::lng);
    let rows: Vec<MerchantRow> = merchants::table
        .filter(merchants::lat.between(south, north).and(merchants::lng.between(west, east)))
        .limit(500)
        .load(conn)
        .await?;
    let mut inside = Vec::with_capacity(rows.len());
    for row in rows {
        let shop = merchant(row)?;
        if contains(outline, shop.place) {
            inside.push(shop);
        }
    }
    Ok(inside)
}

/// A zone as we know it: what pricing needs of it.
#[derive(Debug, Clone)]
pub struct Zone {
    /// Which zone.
    pub id: ZoneId,
    /// Its outline.
    pub outline: Vec<Place>,
    /// What is promised there.
    pub policy: Policy,
}

/// Keeps a zone's snapshot, unless we have a newer one.
///
/// # Errors
/// What the database says.
pub async fn keep_zone(conn: &mut Conn, z: &ZoneSnapshot) -> Result<(), Refusal> {
    use diesel::upsert::excluded;
    let json = |v: serde_json::Result<serde_json::Value>| v.map_err(|e| Refusal::Bug(e.into()));
    let upsert = diesel::insert_into(zones::table)
        .values((
            zones::id.eq(z.id.as_str()),
            zones::version.eq(z.version.0),
            zones::polygon.eq(json(serde_json::to_value(&z.polygon))?),
            zones::policy.eq(json(serde_json::to_value(&z.policy))?),
        ))
        .on_conflict(zones::id)
        .do_update()
        .set((
            zones::version.eq(excluded(zones::version)),
            zones::polygon.eq(excluded(zones::polygon)),
            zones::policy.eq(excluded(zones::policy)),
        ));
    diesel::query_dsl::methods::FilterDsl::filter(upsert, zones::version.lt(excluded(zones::version)))
        .execute(conn)
        .await?;
    Ok(())
}

/// The zone that holds a place; of several, the smallest.
///
/// # Errors
/// What the database says.
pub async fn zone_at(conn: &mut Conn, place: Place) -> Result<Option<Zone>, Refusal> {
    let rows: Vec<(String, i64, serde_json::Value, serde_json::Value)> =
        zones::table.order(zones::id).load(conn).await?;
    let mut found: Option<Zone> = None;
    for (id, _, polygon, policy) in rows {
        let zone = || -> anyhow::Result<Zone> {
            Ok(Zone {
                id: id.parse()?,
                outline: serde_json::from_value(polygon)?,
                policy: serde_json::from_value(policy)?,
            })
        };
        let zone = zone().map_err(Refusal::Bug)?;
        if contains(&zone.outline, place) && found.as_ref().is_none_or(|f| size(&zone.outline) < size(&f.outline)) {
            found = Some(zone);
        }
    }
    Ok(found)
}
