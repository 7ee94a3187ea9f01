//! Copies of shops, as merchant-svc publishes them.

use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use pannier_contracts::merchant::{MenuItem, MerchantSnapshot, MerchantStatus};
use pannier_contracts::{Currency, MerchantId, Place, Version};
use pannier_platform::{Conn, Json, Refusal};

use super::schema::merchants;
use crate::domain::zones::Zone;

/// How many shops a list has at most.
const MAX_LISTED: usize = 500;

/// A shop's row.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = merchants)]
struct Row {
    id: MerchantId,
    version: Version,
    name: String,
    #[diesel(select_expression = (merchants::lat, merchants::lng))]
    place: Place,
    currency: Currency,
    prep_ms: i64,
    status: MerchantStatus,
    menu: Json<Vec<MenuItem>>,
}

impl From<Row> for MerchantSnapshot {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            version: row.version,
            name: row.name,
            place: row.place,
            currency: row.currency,
            prep_ms: row.prep_ms,
            status: row.status,
            menu: row.menu.0,
        }
    }
}

/// Stores a shop, unless the stored version is as new.
pub async fn upsert(conn: &mut Conn, shop: &MerchantSnapshot) -> Result<(), Refusal> {
    let upsert = diesel::insert_into(merchants::table)
        .values((
            merchants::id.eq(shop.id),
            merchants::version.eq(shop.version),
            merchants::name.eq(&shop.name),
            merchants::lat.eq(shop.place.lat()),
            merchants::lng.eq(shop.place.lng()),
            merchants::currency.eq(shop.currency),
            merchants::prep_ms.eq(shop.prep_ms),
            merchants::status.eq(shop.status),
            merchants::menu.eq(Json(&shop.menu)),
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

/// A shop, if it is known here.
pub async fn find(conn: &mut Conn, id: MerchantId) -> Result<Option<MerchantSnapshot>, Refusal> {
    let row: Option<Row> = merchants::table.find(id).select(Row::as_select()).first(conn).await.optional()?;
    Ok(row.map(Into::into))
}

/// A shop in a list: without its menu, which may be long.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = merchants)]
#[allow(missing_docs, reason = "columns; `MerchantSnapshot` documents them")]
pub struct Shop {
    pub id: MerchantId,
    pub name: String,
    #[diesel(select_expression = (merchants::lat, merchants::lng))]
    pub place: Place,
    pub status: MerchantStatus,
    pub prep_ms: i64,
}

/// The shops of a zone that are nearest to a place, at most 500, nearest first.
pub async fn list_nearest(conn: &mut Conn, here: Place, zone: &Zone) -> Result<Vec<Shop>, Refusal> {
    let range = |of: fn(&Place) -> f64| {
        zone.corners.iter().map(of).fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)))
    };
    let ((south, north), (west, east)) = (range(Place::lat), range(Place::lng));
    // Within a zone the earth is flat, and a degree of longitude is shorter than one of latitude.
    let (dy, dx) = (merchants::lat - here.lat(), (merchants::lng - here.lng()) * here.lat().to_radians().cos());
    let shops: Vec<Shop> = merchants::table
        .filter(merchants::lat.between(south, north))
        .filter(merchants::lng.between(west, east))
        .order(dy * dy + dx * dx)
        // Some of those inside the zone's bounding box are outside the zone.
        .limit(4 * MAX_LISTED as i64)
        .select(Shop::as_select())
        .load(conn)
        .await?;
    Ok(shops.into_iter().filter(|shop| zone.area.contains(&shop.place)).take(MAX_LISTED).collect())
}
