//! Our copies of shops and zones. Newest version wins, so news may come twice and in any order.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::merchant::{MerchantSnapshot, MerchantStatus};
use pannier_contracts::zone::ZoneSnapshot;
use pannier_contracts::{MerchantId, Place, Version};
use pannier_platform::{Conn, Prepare as _, Refusal};
use uuid::Uuid;

use super::schema::{merchants, zones};
use crate::domain::zones::Outline;

/// The longest list of shops.
const SHOPS: usize = 500;

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

/// A shop in a list: without its menu, which may be long.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Which shop.
    pub id: MerchantId,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// Whether it takes orders.
    pub status: MerchantStatus,
    /// How long its kitchen usually takes, milliseconds.
    pub prep_ms: i64,
}

/// The shops of an outline, those nearest to a place first, at most 500.
///
/// # Errors
/// What the database says.
pub async fn shops_near(conn: &mut Conn, here: Place, outline: &[Place]) -> Result<Vec<Shop>, Refusal> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Double)]
        lat: f64,
        #[diesel(sql_type = Double)]
        lng: f64,
        #[diesel(sql_type = Text)]
        status: String,
        #[diesel(sql_type = BigInt)]
        prep_ms: i64,
    }
    let range = |of: fn(&Place) -> f64| {
        outline.iter().map(of).fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)))
    };
    let ((south, north), (west, east)) = (range(Place::lat), range(Place::lng));
    // The box around the outline by an index. On a zone's scale the earth is flat, and a degree of longitude shorter.
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT id, name, lat, lng, status, prep_ms FROM merchants
         WHERE lat BETWEEN $1 AND $2 AND lng BETWEEN $3 AND $4
         ORDER BY (lat - $5) ^ 2 + ((lng - $6) * cos(radians($5))) ^ 2 LIMIT $7",
    )
    .bind::<Double, _>(south)
    .bind::<Double, _>(north)
    .bind::<Double, _>(west)
    .bind::<Double, _>(east)
    .bind::<Double, _>(here.lat())
    .bind::<Double, _>(here.lng())
    .bind::<BigInt, _>(4 * SHOPS as i64)
    .prepared()
    .load(conn)
    .await?;
    let outline = Outline::new(outline);
    let shop = |row: Row| -> anyhow::Result<Shop> {
        let place = Place::new(row.lat, row.lng)?;
        Ok(Shop { id: MerchantId(row.id), name: row.name, place, status: row.status.parse()?, prep_ms: row.prep_ms })
    };
    let shops = rows.into_iter().map(shop).filter(|shop| shop.as_ref().map_or(true, |s| outline.contains(s.place)));
    shops.take(SHOPS).collect::<anyhow::Result<_>>().map_err(Refusal::Bug)
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
