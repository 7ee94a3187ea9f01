//! A customer asks what a basket costs and when it would arrive.

use std::sync::Arc;
use std::time::Duration;

use pannier_contracts::{CustomerId, MerchantId, Place, QuoteId};
use pannier_platform::{Conn, Json, Refusal, timers};

use crate::domain::pricing::{self, BasketLine, PricingError};
use crate::domain::zones::Zone;
use crate::store;
use crate::store::quotes::Quote;
use crate::store::zones::ZoneCache;

/// How long a quote can become an order.
const VALID: Duration = Duration::from_secs(10 * 60);

/// The body of the request.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basket {
    /// The shop.
    pub merchant_id: MerchantId,
    /// The articles.
    pub lines: Vec<BasketLine>,
    /// The customer's door.
    pub dropoff: Place,
}

/// Prices a basket and stores the price for ten minutes.
///
/// # Errors
/// [`Refusal::NotFound`] when there is no such shop, [`Refusal::Invalid`] with the field that keeps it from being priced.
pub async fn quote(
    conn: &mut Conn,
    zones: &ZoneCache,
    customer: CustomerId,
    basket: &Basket,
) -> Result<Quote, Refusal> {
    let shop = store::merchants::find(conn, basket.merchant_id).await?.ok_or(Refusal::NotFound("merchant"))?;
    let zone = serving_zone(conn, zones, &shop.place, &basket.dropoff).await?;
    let priced = pricing::price(&shop, &basket.lines, basket.dropoff, &zone.policy).map_err(|e| invalid(&e))?;
    let now = timers::now(conn).await?;
    let quote = Quote {
        id: QuoteId::generate(),
        customer_id: customer,
        merchant_id: shop.id,
        merchant_name: shop.name,
        zone_id: zone.id.clone(),
        lines: Json(priced.lines),
        fees: Json(priced.fees),
        currency: priced.total.currency,
        total: priced.total.amount,
        pickup: shop.place,
        dropoff: basket.dropoff,
        promise_at: now + priced.promise_in,
        expires_at: now + VALID,
    };
    store::quotes::insert(conn, &quote).await?;
    Ok(quote)
}

/// The zone of a door, if it has the shop, too.
///
/// # Errors
/// [`Refusal::Invalid`] `outside_zone`.
pub(super) async fn serving_zone(
    conn: &mut Conn,
    zones: &ZoneCache,
    shop: &Place,
    dropoff: &Place,
) -> Result<Arc<Zone>, Refusal> {
    zones.at(conn, dropoff).await?.filter(|zone| zone.area.contains(shop)).ok_or_else(|| Refusal::Invalid {
        code: "outside_zone",
        detail: "we do not deliver from this shop to this place".to_owned(),
        pointer: Some("/dropoff".to_owned()),
    })
}

pub(super) fn invalid(e: &PricingError) -> Refusal {
    let (code, pointer) = match e {
        PricingError::ShopClosed => ("shop_closed", "/merchant_id".to_owned()),
        PricingError::LineCount => ("lines_invalid", "/lines".to_owned()),
        PricingError::Quantity(i) => ("quantity_invalid", format!("/lines/{i}/quantity")),
        PricingError::Unavailable(i, _) => ("item_unavailable", format!("/lines/{i}/sku")),
        PricingError::TooExpensive(_) => ("total_too_high", "/lines".to_owned()),
    };
    Refusal::Invalid { code, detail: e.to_string(), pointer: Some(pointer) }
}
