//! Quotes.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use futures::FutureExt as _;
use pannier_platform::Db;
use pannier_platform::http::{Command, Customer, Problem};
use serde_json::json;

use crate::commands::quote::{Basket, quote};
use crate::store::quotes::Quote;
use crate::store::zones::ZoneCache;

/// Prices a basket.
pub(super) async fn create(
    who: Customer,
    db: Data<Db>,
    zones: Data<ZoneCache>,
    cmd: Command<Basket>,
) -> Result<HttpResponse, Problem> {
    cmd.once_with(StatusCode::CREATED, &db, move |conn, cmd| {
        let zones = zones.clone();
        async move { Ok(view(quote(conn, &zones, who.id, &cmd.body).await?)) }.boxed()
    })
    .await
}

fn view(quote: Quote) -> serde_json::Value {
    json!({
        "id": quote.id,
        "merchant_id": quote.merchant_id,
        "zone_id": quote.zone_id,
        "lines": quote.lines.0,
        "fees": quote.fees.0,
        "total": {"amount": quote.total, "currency": quote.currency},
        "promise_at": quote.promise_at,
        "expires_at": quote.expires_at,
        "version": 1,
        "allowed_actions": ["order"],
    })
}
