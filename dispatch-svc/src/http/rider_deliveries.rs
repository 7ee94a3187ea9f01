//! The rider's deliveries: what they have, and what they tell of it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Query};
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use pannier_contracts::{DeliveryId, RiderId};
use pannier_platform::http::command::respond;
use pannier_platform::http::{Command, Page, PageQuery, Problem, Rider};
use pannier_platform::{Db, Refusal, alarms};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::OpenQuery;
use super::views::DeliveryView;
use crate::commands::tap::{Tap, tap};
use crate::store;
use crate::store::deliveries::Shown;

/// The caller's deliveries, oldest first.
///
/// # Errors
/// As a problem.
pub async fn list(
    who: Rider,
    db: Data<Db>,
    page: Query<PageQuery>,
    shown: Query<OpenQuery>,
) -> Result<Json<Page<DeliveryView>>, Problem> {
    let (limit, after) = (page.limit()?, page.after()?);
    let shown = Shown { rider: Some(who.id), open: shown.open };
    let rows = db.read(move |conn| store::deliveries::page(conn, shown, after, limit + 1).boxed()).await?;
    Ok(Json(Page::of(rows, limit, |d| d.id.0).map(|d| DeliveryView::for_rider(&d))))
}

/// One of the caller's deliveries.
///
/// # Errors
/// As a problem.
pub async fn get(who: Rider, db: Data<Db>, id: Path<DeliveryId>) -> Result<Json<DeliveryView>, Problem> {
    let id = id.into_inner();
    let delivery = db.read(move |conn| store::deliveries::load(conn, id).boxed()).await?;
    if delivery.rider_id != Some(who.id) {
        return Err(Refusal::NotFound("delivery").into());
    }
    Ok(Json(DeliveryView::for_rider(&delivery)))
}

/// A tap's body.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// When it happened, if it is told later.
    #[serde(default)]
    occurred_at: Option<DateTime<Utc>>,
}

/// The last tap's body.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToldDelivered {
    /// What the customer said.
    pin: String,
    #[serde(default)]
    occurred_at: Option<DateTime<Utc>>,
}

/// Stands at the counter.
///
/// # Errors
/// As a problem.
pub async fn at_pickup(
    who: Rider,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<Told>,
) -> Result<HttpResponse, Problem> {
    note(&db, who.id, id.into_inner(), cmd, |told| (Tap::AtPickup, told.occurred_at)).await
}

/// Has the food.
///
/// # Errors
/// As a problem.
pub async fn picked_up(
    who: Rider,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<Told>,
) -> Result<HttpResponse, Problem> {
    note(&db, who.id, id.into_inner(), cmd, |told| (Tap::PickedUp, told.occurred_at)).await
}

/// Stands at the door.
///
/// # Errors
/// As a problem.
pub async fn at_dropoff(
    who: Rider,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<Told>,
) -> Result<HttpResponse, Problem> {
    note(&db, who.id, id.into_inner(), cmd, |told| (Tap::AtDropoff, told.occurred_at)).await
}

/// Handed it over.
///
/// # Errors
/// As a problem: 422 `wrong_pin`.
pub async fn delivered(
    who: Rider,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<ToldDelivered>,
) -> Result<HttpResponse, Problem> {
    note(&db, who.id, id.into_inner(), cmd, |told| (Tap::Delivered { pin: told.pin }, told.occurred_at)).await
}

/// Brought it back.
///
/// # Errors
/// As a problem.
pub async fn returned(
    who: Rider,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<Told>,
) -> Result<HttpResponse, Problem> {
    note(&db, who.id, id.into_inner(), cmd, |told| (Tap::Returned, told.occurred_at)).await
}

async fn note<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    db: &Db,
    who: RiderId,
    id: DeliveryId,
    cmd: Command<T>,
    read: fn(T) -> (Tap, Option<DateTime<Utc>>),
) -> Result<HttpResponse, Problem> {
    let (told, occurred_at) = read(cmd.body.clone());
    let picked_up = told == Tap::PickedUp;
    let answer = cmd
        .answer(StatusCode::OK, db, move |conn, cmd| {
            let told = told.clone();
            async move {
                let delivery = tap(conn, &cmd.cause, who, id, &told, occurred_at).await?;
                Ok(DeliveryView::for_rider(&delivery))
            }
            .boxed()
        })
        .await?;
    let was_reassigned = answer.body.get("code").and_then(|c| c.as_str()) == Some("reassigned");
    if picked_up && was_reassigned && !answer.replayed {
        // The refusal undid its transaction, so the incident is written in one of its own.
        db.transaction(move |conn| {
            async move {
                let Some(offer) = store::offers::last_accepted(conn, id, who).await? else { return Ok(()) };
                if occurred_at.zip(offer.ended_at).is_some_and(|(picked_up, ended)| picked_up < ended) {
                    let detail = format!("rider {who} picked up delivery {id} before it was given to somebody else");
                    alarms::raise(conn, "picked_up_before_reassign", "offer", offer.id.0, &detail).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await?;
    }
    Ok(respond(&answer))
}
