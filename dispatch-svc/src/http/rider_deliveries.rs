//! The caller's deliveries, and the reports of their progress.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Query};
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use pannier_contracts::delivery::FailureReason;
use pannier_contracts::{DeliveryId, RiderId};
use pannier_platform::http::command::respond;
use pannier_platform::http::{Command, Page, PageQuery, Problem, Rider};
use pannier_platform::{Db, Refusal, alarms};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::requests::OpenQuery;
use super::views::DeliveryView;
use crate::commands::report_progress::{Progress, Report, report_progress};
use crate::store;
use crate::store::deliveries::ListFilter;

/// The caller's deliveries, oldest first.
pub async fn list(
    who: Rider,
    db: Data<Db>,
    page: Query<PageQuery>,
    query: Query<OpenQuery>,
) -> Result<Json<Page<DeliveryView>>, Problem> {
    let (limit, after) = (page.limit()?, page.after()?);
    let filter = ListFilter { rider: Some(who.id), open: query.open };
    let rows = db.read(move |conn| store::deliveries::page(conn, filter, after, limit + 1).boxed()).await?;
    Ok(Json(Page::of(rows, limit, |d| d.id.0).map(|d| DeliveryView::for_rider(&d))))
}

/// One of the caller's deliveries.
pub async fn get(who: Rider, db: Data<Db>, id: Path<DeliveryId>) -> Result<Json<DeliveryView>, Problem> {
    let id = id.into_inner();
    let delivery = db.read(move |conn| store::deliveries::load(conn, id).boxed()).await?;
    if delivery.rider_id != Some(who.id) {
        return Err(Refusal::NotFound("delivery").into());
    }
    Ok(Json(DeliveryView::for_rider(&delivery)))
}

/// The body of a report.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportBody {
    /// When it happened, if it is reported later.
    #[serde(default)]
    occurred_at: Option<DateTime<Utc>>,
}

impl ReportBody {
    fn report(self, progress: Progress) -> Report {
        Report { progress, occurred_at: self.occurred_at }
    }
}

/// The body of the report `delivered`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveredBody {
    /// The PIN that the customer gave to the rider.
    pin: String,
    #[serde(default)]
    occurred_at: Option<DateTime<Utc>>,
}

/// The body of the report `failed`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedBody {
    reason: FailureReason,
    #[serde(default)]
    occurred_at: Option<DateTime<Utc>>,
}

/// The rider is at the counter.
pub async fn at_pickup(
    who: Rider,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<ReportBody>,
) -> Result<HttpResponse, Problem> {
    report(&db, who.id, id.into_inner(), cmd, |body| body.report(Progress::AtPickup)).await
}

/// The rider has the food.
pub async fn picked_up(
    who: Rider,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<ReportBody>,
) -> Result<HttpResponse, Problem> {
    report(&db, who.id, id.into_inner(), cmd, |body| body.report(Progress::PickedUp)).await
}

/// The rider is at the door.
pub async fn at_dropoff(
    who: Rider,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<ReportBody>,
) -> Result<HttpResponse, Problem> {
    report(&db, who.id, id.into_inner(), cmd, |body| body.report(Progress::AtDropoff)).await
}

/// The rider handed the food over.
pub async fn delivered(
    who: Rider,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<DeliveredBody>,
) -> Result<HttpResponse, Problem> {
    report(&db, who.id, id.into_inner(), cmd, |body| Report {
        progress: Progress::Delivered { pin: body.pin },
        occurred_at: body.occurred_at,
    })
    .await
}

/// The rider cannot hand the food over, and brings it back.
pub async fn failed(
    who: Rider,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<FailedBody>,
) -> Result<HttpResponse, Problem> {
    report(&db, who.id, id.into_inner(), cmd, |body| Report {
        progress: Progress::Failed { reason: body.reason },
        occurred_at: body.occurred_at,
    })
    .await
}

/// The rider brought the food back to the shop.
pub async fn returned(
    who: Rider,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<ReportBody>,
) -> Result<HttpResponse, Problem> {
    report(&db, who.id, id.into_inner(), cmd, |body| body.report(Progress::Returned)).await
}

async fn report<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    db: &Db,
    who: RiderId,
    id: DeliveryId,
    cmd: Command<T>,
    report_of: fn(T) -> Report,
) -> Result<HttpResponse, Problem> {
    let report = report_of(cmd.body.clone());
    let (occurred_at, is_pickup) = (report.occurred_at, report.progress == Progress::PickedUp);
    let answer = cmd
        .answer(StatusCode::OK, db, move |conn, cmd| {
            let report = report.clone();
            async move {
                let delivery = report_progress(conn, &cmd.cause, who, id, &report).await?;
                Ok(DeliveryView::for_rider(&delivery))
            }
            .boxed()
        })
        .await?;
    let was_reassigned = answer.body.get("code").and_then(|c| c.as_str()) == Some("reassigned");
    if is_pickup && was_reassigned && !answer.replayed {
        // The refusal has rolled back its transaction, so the alarm is raised in another one.
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
