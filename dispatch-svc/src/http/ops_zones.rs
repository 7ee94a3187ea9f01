//! Zones, for operations.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use futures::FutureExt as _;
use pannier_contracts::zone::{Policy, ZoneSnapshot};
use pannier_contracts::{Place, ZoneId};
use pannier_platform::http::{Command, Ops, Page, Problem};
use pannier_platform::{Db, Refusal};
use serde::{Deserialize, Serialize};

use crate::commands::put_zone::{ZoneSettings, put_zone};
use crate::store;

/// A zone.
#[derive(Debug, Clone, Serialize)]
pub struct ZoneView {
    #[serde(flatten)]
    zone: ZoneSnapshot,
    allowed_actions: &'static [&'static str],
}

impl From<ZoneSnapshot> for ZoneView {
    fn from(zone: ZoneSnapshot) -> Self {
        Self { zone, allowed_actions: &["put"] }
    }
}

/// The body of `PUT /v1/ops/zones/{id}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutZone {
    name: String,
    polygon: Vec<Place>,
    #[serde(default)]
    policy: Policy,
}

/// Creates or changes a zone.
///
/// # Errors
/// 428 without `If-Match` when the zone exists.
pub async fn put(_who: Ops, db: Data<Db>, id: Path<ZoneId>, cmd: Command<PutZone>) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    if cmd.if_match.is_none() {
        let id = id.clone();
        let exists =
            db.read(move |conn| async move { Ok(store::zones::find(conn, &id).await?.is_some()) }.boxed()).await?;
        if exists {
            cmd.version_seen()?;
        }
    }
    cmd.once(&db, move |conn, cmd| {
        let id = id.clone();
        async move {
            let PutZone { name, polygon, policy } = cmd.body;
            let settings = ZoneSettings { name, polygon, policy };
            put_zone(conn, &cmd.cause, id, cmd.if_match, settings).await.map(ZoneView::from)
        }
        .boxed()
    })
    .await
}

/// One zone.
pub async fn get(_who: Ops, db: Data<Db>, id: Path<ZoneId>) -> Result<Json<ZoneView>, Problem> {
    let id = id.into_inner();
    let zone = db.read(move |conn| async move { store::zones::find(conn, &id).await }.boxed()).await?;
    Ok(Json(zone.ok_or(Refusal::NotFound("zone"))?.into()))
}

/// All zones. A platform has few, so they are one page.
pub async fn list(_who: Ops, db: Data<Db>) -> Result<Json<Page<ZoneView>>, Problem> {
    let zones = db.read(|conn| store::zones::all(conn).boxed()).await?;
    Ok(Json(Page { data: zones.into_iter().map(ZoneView::from).collect(), next_cursor: None }))
}
