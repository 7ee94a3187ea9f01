//! The caller's offers.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use futures::FutureExt as _;
use pannier_contracts::OfferId;
use pannier_platform::Db;
use pannier_platform::http::{Command, Page, Problem, Rider};
use serde::Deserialize;

use super::requests::EmptyBody;
use super::views::{DeliveryView, OfferView};
use crate::commands;
use crate::store;

/// The offers that may be answered now, oldest first. A rider has few, so they are one page.
pub async fn list(who: Rider, db: Data<Db>) -> Result<Json<Page<OfferView>>, Problem> {
    let data = db
        .read(move |conn| {
            async move {
                let offers = store::offers::open_of_rider(conn, who.id).await?;
                let ids: Vec<_> = offers.iter().map(|o| o.delivery_id).collect();
                let deliveries = store::deliveries::by_ids(conn, &ids).await?;
                let delivery_of = |offer: &store::Offer| deliveries.iter().find(|d| d.id == offer.delivery_id);
                let views = offers.iter().filter_map(|o| delivery_of(o).map(|delivery| OfferView::of(o, delivery)));
                Ok(views.collect::<Vec<_>>())
            }
            .boxed()
        })
        .await?;
    Ok(Json(Page { data, next_cursor: None }))
}

/// Accepts an offer.
pub async fn accept(
    who: Rider,
    db: Data<Db>,
    id: Path<OfferId>,
    cmd: Command<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    cmd.once(&db, move |conn, cmd| {
        async move {
            let delivery = commands::accept_offer::accept_offer(conn, &cmd.cause, who.id, id).await?;
            Ok(DeliveryView::for_rider(&delivery))
        }
        .boxed()
    })
    .await
}

/// The body of `POST /v1/rider/offers/{id}/decline`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decline {
    #[serde(default)]
    reason: Option<String>,
}

/// Declines an offer.
pub async fn decline(
    who: Rider,
    db: Data<Db>,
    id: Path<OfferId>,
    cmd: Command<Decline>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    cmd.once(&db, move |conn, cmd| {
        async move {
            let reason = cmd.body.reason.as_deref();
            let (offer, delivery) = commands::close_offers::decline(conn, &cmd.cause, who.id, id, reason).await?;
            Ok(OfferView::of(&offer, &delivery))
        }
        .boxed()
    })
    .await
}
