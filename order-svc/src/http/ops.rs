//! The API of operations.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use pannier_contracts::OrderId;
use pannier_contracts::order::OrderState;
use pannier_platform::http::events::{Events, events_of};
use pannier_platform::http::{Command, Ops, Page, PageQuery, Problem};
use pannier_platform::{Db, event_log};
use serde::{Deserialize, Serialize};

use super::orders::page_of;
use super::view::{OrderView, Reader};
use crate::commands::cancel_order;
use crate::store;
use crate::store::orders::{Filter, VisibleTo};

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    state: Option<OrderState>,
    #[serde(default)]
    open: bool,
}

/// Lists orders, newest first; with `?open=true` those that have not ended.
pub(super) async fn list(
    _who: Ops,
    db: Data<Db>,
    query: Query<ListQuery>,
    page: Query<PageQuery>,
) -> Result<Json<Page<OrderView>>, Problem> {
    let filter = Filter { customer: None, state: query.state, open: query.open };
    Ok(Json(page_of(&db, filter, &page, Reader::Ops).await?))
}

#[derive(Debug, Serialize)]
struct TimelineEntry {
    #[serde(rename = "type")]
    kind: String,
    version: i64,
    occurred_at: DateTime<Utc>,
    actor: String,
    state: Option<serde_json::Value>,
    traceparent: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct OrderWithTimeline {
    #[serde(flatten)]
    order: OrderView,
    events: Vec<TimelineEntry>,
}

/// Shows an order with its timeline.
pub(super) async fn show(_who: Ops, db: Data<Db>, id: Path<OrderId>) -> Result<Json<OrderWithTimeline>, Problem> {
    let id = id.into_inner();
    let order = db
        .read(move |conn| {
            async move {
                let order = store::orders::load(conn, id, VisibleTo::Anyone).await?;
                let events = event_log::timeline(conn, "order", id.0).await?;
                let events = events
                    .into_iter()
                    .map(|e| TimelineEntry {
                        state: e.state(),
                        kind: e.kind,
                        version: e.version,
                        occurred_at: e.occurred_at,
                        actor: e.actor,
                        traceparent: e.traceparent,
                    })
                    .collect();
                Ok(OrderWithTimeline { order: OrderView::of(&order, Reader::Ops), events })
            }
            .boxed()
        })
        .await?;
    Ok(Json(order))
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelOrder {
    reason: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct CancelQuery {
    #[serde(default)]
    dry_run: bool,
}

/// Cancels an order that no rider has picked up; with `?dry_run=true` only says what that would lead to.
pub(super) async fn cancel(
    _who: Ops,
    db: Data<Db>,
    id: Path<OrderId>,
    query: Query<CancelQuery>,
    cmd: Command<CancelOrder>,
) -> Result<HttpResponse, Problem> {
    let (id, seen) = (id.into_inner(), cmd.version_seen()?);
    if query.dry_run {
        let reason = cmd.body.reason;
        let preview =
            db.read(move |conn| async move { cancel_order::preview_by_ops(conn, id, seen, &reason).await }.boxed());
        return Ok(HttpResponse::Ok().json(preview.await?));
    }
    cmd.once(&db, move |conn, cmd| {
        async move {
            let order = cancel_order::by_ops(conn, &cmd.cause, id, seen, cmd.body.reason).await?;
            Ok(OrderView::of(&order, Reader::Ops))
        }
        .boxed()
    })
    .await
}

/// Shows every event of an order, of its payment and of its progress.
pub(super) async fn events(_who: Ops, db: Data<Db>, id: Path<OrderId>) -> Result<Events, Problem> {
    let id = id.into_inner();
    let read = db.read(move |conn| {
        async move {
            let payment = store::payments::of_order(conn, id).await?.id;
            events_of(conn, &[("order", id.0), ("progress", id.0), ("payment", payment.0)]).await
        }
        .boxed()
    });
    Ok(Json(read.await?))
}
