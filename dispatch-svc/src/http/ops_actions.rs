//! What operations do with a delivery. `If-Match` is required everywhere: they have looked at it.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use futures::FutureExt as _;
use pannier_contracts::delivery::{FailureReason, LossReason};
use pannier_contracts::{DeliveryId, RiderId};
use pannier_platform::Db;
use pannier_platform::http::{Command, Ops, Page, Problem};
use serde::Deserialize;

use super::ops_deliveries::CandidateView;
use super::requests::EmptyBody;
use super::views::DeliveryView;
use crate::commands::{assign as assigning, reassign as reassigning, settle as settling};
use crate::store;
use crate::tasks::pricing::Pricing;

/// The riders for a delivery that has none, the best first.
///
/// # Errors
/// 409 when it has a rider, or has ended.
pub async fn candidates(
    _who: Ops,
    db: Data<Db>,
    pricing: Data<Pricing>,
    id: Path<DeliveryId>,
) -> Result<Json<Page<CandidateView>>, Problem> {
    let id = id.into_inner();
    let delivery = db.read(move |conn| store::deliveries::load(conn, id).boxed()).await?;
    let priced = pricing.price(id, None).await?;
    let priced = assigning::check_state(&delivery, priced.as_ref())?;
    let data = priced.candidates.iter().cloned().map(CandidateView::from).collect();
    Ok(Json(Page { data, next_cursor: None }))
}

/// The body of `POST /v1/ops/deliveries/{id}/assign`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assign {
    rider_id: RiderId,
}

/// The query of a call that may only be tried.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct DryRun {
    /// Say what would happen, and do nothing.
    #[serde(default)]
    dry_run: bool,
}

/// Gives a delivery to a rider.
pub async fn assign(
    _who: Ops,
    db: Data<Db>,
    pricing: Data<Pricing>,
    id: Path<DeliveryId>,
    query: Query<DryRun>,
    cmd: Command<Assign>,
) -> Result<HttpResponse, Problem> {
    let (id, seen, rider) = (id.into_inner(), cmd.version_seen()?, cmd.body.rider_id);
    // Before the transaction, because Redis is asked. The transaction checks again what is in rows.
    let priced = Arc::new(pricing.price(id, Some(rider)).await?);
    if query.dry_run {
        let read = db.read(move |conn| {
            async move { assigning::preview(conn, id, seen, rider, priced.as_ref().as_ref()).await }.boxed()
        });
        return Ok(HttpResponse::Ok().json(CandidateView::from(read.await?)));
    }
    cmd.once(&db, move |conn, cmd| {
        let priced = Arc::clone(&priced);
        async move {
            let priced = priced.as_ref().as_ref();
            let delivery = assigning::assign(conn, &cmd.cause, id, seen, rider, priced).await?;
            Ok(DeliveryView::for_ops(&delivery))
        }
        .boxed()
    })
    .await
}

/// The body of `POST /v1/ops/deliveries/{id}/reassign`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reassign {
    reason: String,
}

/// Withdraws a delivery from its rider.
pub async fn reassign(
    _who: Ops,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<Reassign>,
) -> Result<HttpResponse, Problem> {
    let (id, seen) = (id.into_inner(), cmd.version_seen()?);
    cmd.once(&db, move |conn, cmd| {
        async move {
            let delivery = reassigning::reassign(conn, &cmd.cause, id, Some(seen), &cmd.body.reason).await?;
            Ok(DeliveryView::for_ops(&delivery))
        }
        .boxed()
    })
    .await
}

/// The body of `POST /v1/ops/deliveries/{id}/return`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallBack {
    /// For people, in the log.
    reason: String,
    /// What the delivery keeps; without it `called_back`.
    #[serde(default)]
    cause: Option<FailureReason>,
}

/// Sends food on the road back to its shop.
pub async fn call_back(
    _who: Ops,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<CallBack>,
) -> Result<HttpResponse, Problem> {
    let (id, seen) = (id.into_inner(), cmd.version_seen()?);
    cmd.once(&db, move |conn, cmd| {
        async move {
            let CallBack { reason: note, cause } = &cmd.body;
            let delivery = settling::call_back(conn, &cmd.cause, id, seen, *cause, note).await?;
            Ok(DeliveryView::for_ops(&delivery))
        }
        .boxed()
    })
    .await
}

/// The shop says that the food is back.
pub async fn returned(
    _who: Ops,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let (id, seen) = (id.into_inner(), cmd.version_seen()?);
    cmd.once(&db, move |conn, cmd| {
        async move {
            let delivery = settling::arrive_back(conn, &cmd.cause, id, seen).await?;
            Ok(DeliveryView::for_ops(&delivery))
        }
        .boxed()
    })
    .await
}

/// The body of `POST /v1/ops/deliveries/{id}/settle`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    outcome: settling::Outcome,
    reason: LossReason,
    /// For people, in the log.
    #[serde(default)]
    note: String,
}

/// Ends a delivery whose rider or food is lost.
pub async fn settle(
    _who: Ops,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<Settle>,
) -> Result<HttpResponse, Problem> {
    let (id, seen) = (id.into_inner(), cmd.version_seen()?);
    cmd.once(&db, move |conn, cmd| {
        async move {
            let Settle { outcome, reason, note } = &cmd.body;
            let delivery = settling::settle(conn, &cmd.cause, id, seen, *outcome, *reason, note).await?;
            Ok(DeliveryView::for_ops(&delivery))
        }
        .boxed()
    })
    .await
}
