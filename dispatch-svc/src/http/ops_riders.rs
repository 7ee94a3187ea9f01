//! Riders, for operations: who they are, and the end of a shift.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Query};
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use pannier_contracts::RiderId;
use pannier_platform::Db;
use pannier_platform::http::command::respond;
use pannier_platform::http::{Command, Ops, Page, PageQuery, Problem};
use serde::{Deserialize, Serialize};

use super::views::RiderView;
use crate::commands::off_duty::{Why, off_duty as end_shift};
use crate::fleet::PositionQueue;
use crate::store;

/// A rider, and when they were last seen.
#[derive(Debug, Clone, Serialize)]
pub struct OpsRider {
    #[serde(flatten)]
    rider: RiderView,
    last_seen_at: Option<DateTime<Utc>>,
}

/// All riders, by id.
pub async fn list(_who: Ops, db: Data<Db>, page: Query<PageQuery>) -> Result<Json<Page<OpsRider>>, Problem> {
    let (limit, after) = (page.limit()?, page.after()?);
    let rows = db.read(move |conn| store::riders::page(conn, after, limit + 1).boxed()).await?;
    let view = |r: store::Rider| OpsRider { rider: RiderView::for_ops(&r), last_seen_at: r.last_seen_at };
    Ok(Json(Page::of(rows, limit, |r| r.id.0).map(view)))
}

/// The body of `POST /v1/ops/riders/{id}/off-duty`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OffDuty {
    /// For people, in alarms and the log.
    reason: String,
}

/// Ends a rider's shift. `If-Match` is required.
pub async fn off_duty(
    _who: Ops,
    db: Data<Db>,
    positions: Data<PositionQueue>,
    id: Path<RiderId>,
    cmd: Command<OffDuty>,
) -> Result<HttpResponse, Problem> {
    let (id, seen) = (id.into_inner(), cmd.version_seen()?);
    let answer = cmd
        .answer(StatusCode::OK, &db, move |conn, cmd| {
            async move {
                let why = Why::Operations(&cmd.body.reason);
                let rider = end_shift(conn, &cmd.cause, id, Some(seen), why).await?;
                Ok(RiderView::for_ops(&rider))
            }
            .boxed()
        })
        .await?;
    if answer.status == 200 && !answer.replayed {
        positions.remove(id);
    }
    Ok(respond(&answer))
}
