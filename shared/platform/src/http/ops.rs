//! The operations endpoints that every service has: stuck work, dead letters, the outbox.

use std::collections::HashMap;

use actix_web::web::{self, Data, Json, Path, Query};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel::sql_types::{Array, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use pannier_contracts::topology;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Command, Ops, Page, PageQuery, Problem};
use crate::alarms;
use crate::broker::Broker;
use crate::db::Prepare as _;
use crate::dead_letters::{self, DeadLetter};
use crate::relay::{self, Blocked};
use crate::retention::RetentionPeriods;
use crate::schema::{events, set_aside};
use crate::{Db, Refusal};

/// Adds `/v1/ops/{stuck, dead-letters, outbox}`. Needs `Data` of [`Db`], [`Broker`], [`Blocked`] and [`RetentionPeriods`].
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/ops/stuck").route(web::get().to(stuck)))
        .service(web::resource("/v1/ops/dead-letters").route(web::get().to(list_dead_letters)))
        .service(web::resource("/v1/ops/dead-letters/{id}/replay").route(web::post().to(replay)))
        .service(web::resource("/v1/ops/outbox").route(web::get().to(outbox)))
        .configure(super::ops_alarms::routes);
}

#[derive(Debug, Serialize, QueryableByName)]
struct Stuck {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    aggregate: String,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    since: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    detail: String,
}

/// Open alarms that are not put off, overdue timers, unpublished events, open dead letters: the worst 500, and of these the
/// newest first. `/v1/ops/alarms` has all alarms, by pages.
async fn stuck(_who: Ops, db: Data<Db>) -> Result<Json<Page<Stuck>>, Problem> {
    let data = db
        .read(|conn| {
            async move {
                // Raw: diesel can neither order nor limit a UNION.
                let mut stuck = diesel::sql_query(
                    "SELECT kind, aggregate, aggregate_id AS id, raised_at AS since, detail, kind = ANY($1) AS is_page FROM alarms
                     WHERE resolved_at IS NULL AND (snoozed_until IS NULL OR snoozed_until < statement_timestamp())
                     UNION ALL
                     SELECT 'timer_overdue', aggregate, aggregate_id, fire_at, kind || coalesce(': ' || last_error, ''), true
                     FROM timers WHERE fire_at < statement_timestamp() - interval '10 s'
                     UNION ALL
                     SELECT 'event_unpublished', e.aggregate, e.aggregate_id, e.occurred_at, e.type || ': ' || s.last_error, true
                     FROM set_aside s JOIN events e ON e.seq = s.seq
                     UNION ALL
                     SELECT 'dead_letter', coalesce(aggregate, queue), coalesce(aggregate_id, id), died_at, queue || ': ' || reason, false
                     FROM dead_letters WHERE settled_at IS NULL
                     ORDER BY is_page DESC, since DESC LIMIT 500",
                )
                .bind::<Array<Text>, _>(&alarms::PAGES[..])
                .prepared()
                .load::<Stuck>(conn)
                .await?;
                let backlog = relay::backlog(conn, topology::subscribed_patterns()).await?;
                if let Some(since) = backlog.since.filter(|since| Utc::now() - since > TimeDelta::seconds(10)) {
                    let detail = format!("{} events wait to be published since then", backlog.events);
                    stuck.push(Stuck { kind: "event_unpublished".into(), aggregate: "outbox".into(), id: Uuid::nil(), since, detail });
                }
                Ok(stuck)
            }
            .boxed()
        })
        .await?;
    Ok(Json(Page { data, next_cursor: None }))
}

#[derive(Debug, Serialize)]
struct ListedLetter {
    #[serde(flatten)]
    letter: DeadLetter,
    /// A replay would be dropped: this version or a newer one was applied.
    obsolete: bool,
}

async fn list_dead_letters(
    _who: Ops,
    db: Data<Db>,
    page: Query<PageQuery>,
) -> Result<Json<Page<ListedLetter>>, Problem> {
    let (limit, after) = (page.limit()?, page.after()?);
    let letters = db
        .read(move |conn| {
            async move {
                let mut shown = Vec::new();
                for letter in dead_letters::open(conn, after, limit + 1).await? {
                    let obsolete = dead_letters::is_obsolete(conn, &letter).await?;
                    shown.push(ListedLetter { letter, obsolete });
                }
                Ok(shown)
            }
            .boxed()
        })
        .await?;
    Ok(Json(Page::of(letters, limit, |l| l.letter.id)))
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct EmptyBody {}

async fn replay(
    _who: Ops,
    db: Data<Db>,
    broker: Data<Broker>,
    periods: Data<RetentionPeriods>,
    id: Path<Uuid>,
    query: Query<HashMap<String, String>>,
    cmd: Command<EmptyBody>,
) -> Result<Json<serde_json::Value>, Problem> {
    let dry_run = query.get("dry_run").is_some_and(|v| v != "false");
    let id = id.into_inner();
    let outcome = dead_letters::replay(&db, &broker, **periods, id, dry_run).await?;
    let answer = serde_json::json!({"outcome": outcome});
    if !dry_run {
        let row = serde_json::json!({"id": id, "state": outcome});
        db.transaction(move |conn| {
            let (cmd, row) = (cmd.clone(), row.clone());
            async move { cmd.audit(conn, &row).await }.boxed()
        })
        .await?;
    }
    Ok(Json(answer))
}

#[derive(Debug, Serialize)]
struct Outbox {
    /// Events that are committed and not known to be published, including those set aside.
    unpublished: i64,
    oldest_unpublished_at: Option<DateTime<Utc>>,
    /// The newest event's `seq`.
    last_position: i64,
    /// The broker has an alarm and accepts no messages.
    blocked: bool,
    /// The oldest 20 events that the broker refused.
    set_aside: Vec<SetAsideEvent>,
}

#[derive(Debug, Serialize, Queryable, Selectable)]
#[diesel(table_name = set_aside)]
struct SetAsideEvent {
    #[diesel(select_expression = events::event_id)]
    event_id: Uuid,
    #[serde(rename = "type")]
    #[diesel(select_expression = events::kind)]
    kind: String,
    attempts: i32,
    since: DateTime<Utc>,
    next_attempt_at: DateTime<Utc>,
    last_error: String,
}

async fn outbox(_who: Ops, db: Data<Db>, blocked: Data<Blocked>) -> Result<Json<Outbox>, Problem> {
    let blocked = blocked.is_blocked();
    let outbox = db
        .read(move |conn| {
            async move {
                let backlog = relay::backlog(conn, topology::subscribed_patterns()).await?;
                let oldest: Vec<(SetAsideEvent, i64)> = set_aside::table
                    .inner_join(events::table.on(events::seq.eq(set_aside::seq)))
                    .order(set_aside::seq)
                    .limit(20)
                    .select((SetAsideEvent::as_select(), count_star().over()))
                    .load(conn)
                    .await?;
                let last: Option<i64> = events::table.select(diesel::dsl::max(events::seq)).get_result(conn).await?;
                let all_aside = oldest.iter().map(|(_, all)| *all).max().unwrap_or(0);
                let set_aside: Vec<_> = oldest.into_iter().map(|(aside, _)| aside).collect();
                let oldest_aside = set_aside.iter().map(|aside| aside.since).min();
                Ok::<_, Refusal>(Outbox {
                    unpublished: backlog.events + all_aside,
                    oldest_unpublished_at: backlog.since.into_iter().chain(oldest_aside).min(),
                    last_position: last.unwrap_or(0),
                    blocked,
                    set_aside,
                })
            }
            .boxed()
        })
        .await?;
    Ok(Json(outbox))
}
