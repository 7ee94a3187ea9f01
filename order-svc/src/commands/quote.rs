//! A customer asks what a basket costs and when it would come.

use std::time::Duration;

use pannier_contracts::{CustomerId, MerchantId, Place, QuoteId};
use pannier_platform::{Conn, Refusal, timers};

use crate::domain::pricing::{self, NoPrice, WantedLine};
use crate::store;
use crate::store::quotes::Quote;
use crate::store::zones::Zones;

/// How long a quote can become an order.
const VALID: Duration = Duration::from_secs(10 * 60);

/// What is asked.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basket {
    /// At which shop.
    pub merchant_id: MerchantId,
    /// What.
    pub lines: Vec<WantedLine>,
    /// To where.
    pub dropoff: Place,
}

/// Prices a basket and keeps the price for ten minutes.
///
/// # Errors
/// `NotFound` without such a shop, `Invalid` when it cannot be priced, with the field that is wrong.
pub async fn quote(conn: &mut Conn, zones: &Zones, customer: CustomerId, basket: &Basket) -> Result<Quote, Refusal> {
    let shop = store::copies::find_merchant(conn, basket.merchant_id).await?.ok_or(Refusal::NotFound("merchant"))?;
    let zone =
        zones.at(conn, basket.dropoff).await?.filter(|zone| zone.outline.contains(shop.place)).ok_or_else(|| {
            Refusal::Invalid {
                code: "outside_zone",
                detail: "we do not deliver from this shop to this place".to_owned(),
                pointer: Some("/dropoff".to_owned()),
            }
        })?;
    let priced = pricing::price(&shop, &basket.lines, basket.dropoff, &zone.policy).map_err(|e| no_price(&e))?;
    let now = timers::now(conn).await?;
    let json = |v: serde_json::Result<serde_json::Value>| v.map_err(|e| Refusal::Bug(e.into()));
    let quote = Quote {
        id: QuoteId::generate(),
        customer_id: customer,
        merchant_id: shop.id,
        merchant_name: shop.name,
        zone_id: zone.id.to_string(),
        lines: json(serde_json::to_value(&priced.lines))?,
        fees: json(serde_json::to_value(&priced.fees))?,
        currency: priced.total.currency.to_string(),
        total: priced.total.amount,
        pickup_lat: shop.place.lat(),
        pickup_lng: shop.place.lng(),
        dropoff_lat: basket.dropoff.lat(),
        dropoff_lng: basket.dropoff.lng(),
        promise_at: now + priced.promise_in,
        expires_at: now + VALID,
    };
    store::quotes::insert(conn, quote.clone()).await?;
    Ok(quote)
}

fn no_price(e: &NoPrice) -> Refusal {
    let (code, pointer) = match e {
        NoPrice::ShopClosed => ("shop_closed", "/merchant_id".to_owned()),
        NoPrice::NoLines => ("lines_invalid", "/lines".to_owned()),
        NoPrice::BadQuantity(i) => ("quantity_invalid", format!("/lines/{i}/quantity")),
        NoPrice::Unavailable(i, _) => ("item_unavailable", format!("/lines/{i}/sku")),
    };
    Refusal::Invalid { code, detail: e.to_string(), pointer: Some(pointer) }
}
