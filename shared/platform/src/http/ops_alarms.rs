//! Alarms, and the audit trail, for operations: every service has its own.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, Query};
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Command, Ops, Page, PageQuery, Problem};
use crate::alarms::{self, Alarm, Severity, Work};
use crate::audit::{self, Entry, Filter};
use crate::{Db, Refusal};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/ops/alarms").route(web::get().to(list)))
        .service(web::resource("/v1/ops/alarms/{id}").route(web::get().to(show)))
        .service(web::resource("/v1/ops/alarms/{id}/acknowledge").route(web::post().to(acknowledge)))
        .service(web::resource("/v1/ops/alarms/{id}/snooze").route(web::post().to(snooze)))
        .service(web::resource("/v1/ops/alarms/{id}/resolve").route(web::post().to(resolve)))
        .service(web::resource("/v1/ops/audit").route(web::get().to(trail)));
}

/// An alarm, with what can be done about it.
#[derive(Debug, Serialize)]
struct AlarmView {
    severity: Severity,
    allowed_actions: &'static [&'static str],
    #[serde(flatten)]
    alarm: Alarm,
}

impl From<Alarm> for AlarmView {
    fn from(alarm: Alarm) -> Self {
        let is_open = alarm.resolved_at.is_none();
        let allowed_actions: &[&str] = if is_open { &["acknowledge", "snooze", "resolve"] } else { &[] };
        Self { severity: alarm.severity(), allowed_actions, alarm }
    }
}

#[derive(Debug, Deserialize)]
struct AlarmQuery {
    /// Also those that are over.
    #[serde(default)]
    all: bool,
}

/// The worst first, and of these the newest.
async fn list(
    _who: Ops,
    db: Data<Db>,
    page: Query<PageQuery>,
    query: Query<AlarmQuery>,
) -> Result<Json<Page<AlarmView>>, Problem> {
    let (limit, after, open) = (page.limit()?, page.after()?, !query.all);
    let alarms = db.read(move |conn| alarms::list(conn, open, after, limit + 1).boxed()).await?;
    Ok(Json(Page::of(alarms, limit, |alarm| alarm.id).map(AlarmView::from)))
}

async fn show(_who: Ops, db: Data<Db>, id: Path<Uuid>) -> Result<Json<AlarmView>, Problem> {
    let id = id.into_inner();
    Ok(Json(db.read(move |conn| alarms::load(conn, id).boxed()).await?.into()))
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Acknowledge {
    #[serde(default)]
    note: Option<String>,
}

async fn acknowledge(
    who: Ops,
    db: Data<Db>,
    id: Path<Uuid>,
    cmd: Command<Acknowledge>,
) -> Result<HttpResponse, Problem> {
    work(who, &db, id.into_inner(), cmd, |body| Ok((Work::Acknowledge, body.note))).await
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Snooze {
    until: DateTime<Utc>,
    #[serde(default)]
    note: Option<String>,
}

async fn snooze(who: Ops, db: Data<Db>, id: Path<Uuid>, cmd: Command<Snooze>) -> Result<HttpResponse, Problem> {
    work(who, &db, id.into_inner(), cmd, |body| {
        if body.until <= Utc::now() {
            return Err(Refusal::Invalid {
                code: "time_invalid",
                detail: "an alarm is put off until a time to come".to_owned(),
                pointer: Some("/until".to_owned()),
            });
        }
        Ok((Work::Snooze(body.until), body.note))
    })
    .await
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resolve {
    note: String,
}

async fn resolve(who: Ops, db: Data<Db>, id: Path<Uuid>, cmd: Command<Resolve>) -> Result<HttpResponse, Problem> {
    work(who, &db, id.into_inner(), cmd, |body| Ok((Work::Resolve, Some(body.note)))).await
}

/// What a body asks for, and its note.
type WorkOf<T> = fn(T) -> Result<(Work, Option<String>), Refusal>;

async fn work<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    who: Ops,
    db: &Db,
    id: Uuid,
    cmd: Command<T>,
    work_of: WorkOf<T>,
) -> Result<HttpResponse, Problem> {
    cmd.once(db, move |conn, cmd| {
        let by = who.id.clone();
        async move {
            let (work, note) = work_of(cmd.body)?;
            Ok(AlarmView::from(alarms::work_on(conn, id, &by, &work, note.as_deref()).await?))
        }
        .boxed()
    })
    .await
}

#[derive(Debug, Deserialize)]
struct AuditQuery {
    actor: Option<String>,
    /// An id, with or without its prefix.
    id: Option<String>,
}

/// Newest first.
async fn trail(
    _who: Ops,
    db: Data<Db>,
    page: Query<PageQuery>,
    query: Query<AuditQuery>,
) -> Result<Json<Page<Entry>>, Problem> {
    let (limit, before, AuditQuery { actor, id }) = (page.limit()?, page.after()?, query.into_inner());
    let object = match id {
        Some(id) => Some(audit::uuid_of(&id).ok_or_else(|| Problem::bad_request("query_invalid", "id is no id"))?),
        None => None,
    };
    let filter = Filter { actor, object };
    let rows = db.read(move |conn| audit::list(conn, filter.clone(), before, limit + 1).boxed()).await?;
    Ok(Json(Page::of(rows, limit, |entry| entry.id)))
}
