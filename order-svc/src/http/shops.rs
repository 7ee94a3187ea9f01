//! Shops near a customer, and their menus.

use actix_web::web::{Data, Json, Path, Query};
use futures::FutureExt as _;
use pannier_contracts::merchant::{MenuItem, MerchantStatus};
use pannier_contracts::{MerchantId, Place, Version};
use pannier_platform::http::{Customer, Page, Problem};
use pannier_platform::{Db, Refusal};
use serde::{Deserialize, Serialize};

use crate::store::merchants;
use crate::store::zones::ZoneCache;

#[derive(Debug, Deserialize)]
pub(super) struct NearQuery {
    lat: f64,
    lng: f64,
}

/// A shop in a list.
#[derive(Debug, Serialize)]
pub struct ShopView {
    id: MerchantId,
    name: String,
    place: Place,
    status: MerchantStatus,
    prep_ms: i64,
    distance_m: i64,
}

/// Lists the shops that deliver to a place, nearest first.
pub(super) async fn near(
    _who: Customer,
    db: Data<Db>,
    zones: Data<ZoneCache>,
    query: Query<NearQuery>,
) -> Result<Json<Page<ShopView>>, Problem> {
    let here = Place::new(query.lat, query.lng).map_err(|e| Problem::bad_request("place_invalid", e.to_string()))?;
    let shops = db
        .read(move |conn| {
            async move {
                match zones.at(conn, &here).await? {
                    Some(zone) => merchants::list_nearest(conn, here, &zone).await,
                    None => Ok(Vec::new()),
                }
            }
            .boxed()
        })
        .await?;
    let mut data: Vec<_> = shops
        .into_iter()
        .map(|shop| ShopView {
            distance_m: shop.place.distance_m(&here).round() as i64,
            id: shop.id,
            name: shop.name,
            place: shop.place,
            status: shop.status,
            prep_ms: shop.prep_ms,
        })
        .collect();
    data.sort_by_key(|shop| (shop.distance_m, shop.id));
    Ok(Json(Page { data, next_cursor: None }))
}

/// A shop's menu.
#[derive(Debug, Serialize)]
pub struct MenuView {
    merchant_id: MerchantId,
    version: Version,
    name: String,
    status: MerchantStatus,
    items: Vec<MenuItem>,
}

/// Shows a shop's menu.
pub(super) async fn menu(_who: Customer, db: Data<Db>, id: Path<MerchantId>) -> Result<Json<MenuView>, Problem> {
    let id = id.into_inner();
    let shop = db
        .read(move |conn| async move { merchants::find(conn, id).await?.ok_or(Refusal::NotFound("merchant")) }.boxed())
        .await?;
    Ok(Json(MenuView {
        merchant_id: shop.id,
        version: shop.version,
        name: shop.name,
        status: shop.status,
        items: shop.menu,
    }))
}
