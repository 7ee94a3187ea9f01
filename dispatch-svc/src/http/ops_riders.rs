//! Riders, for operations.

use actix_web::web::{Data, Json, Query};
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use pannier_platform::Db;
use pannier_platform::http::{Ops, Page, PageQuery, Problem};
use serde::Serialize;

use super::views::RiderView;
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
    let view = |r: store::Rider| OpsRider { rider: RiderView::from(&r), last_seen_at: r.last_seen_at };
    Ok(Json(Page::of(rows, limit, |r| r.id.0).map(view)))
}
