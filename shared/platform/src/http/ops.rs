//! What operations can ask of every service, in the same words: stuck work, dead letters, the outbox.

use std::collections::HashMap;

use actix_web::web::{self, Data, Json, Path, Query};
use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Command, Ops, Page, PageQuery, Problem};
use crate::broker::Broker;
use crate::dead_letters::{self, DeadLetter};
use crate::{Db, Refusal};

/// Adds `/v1/ops/{stuck, dead-letters, outbox}`. Needs `Data<Db>` and `Data<Broker>`.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/ops/stuck").route(web::get().to(stuck)))
        .service(web::resource("/v1/ops/dead-letters").route(web::get().to(list_dead_letters)))
        .service(web::resource("/v1/ops/dead-letters/{id}/replay").route(web::post().to(replay)))
        .service(web::resource("/v1/ops/outbox").route(web::get().to(outbox)));
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
use diesel::QueryableByName;

/// Empty, or somebody has been told: open alarms, timers that should have fired, events that do not leave, dead letters.
async fn stuck(_who: Ops, db: Data<Db>) -> Result<Json<Page<Stuck>>, Problem> {
    let data = db
        .read(|conn| {
            async move {
                Ok(diesel::sql_query(
                    "SELECT kind, aggregate, aggregate_id AS id, raised_at AS since, detail FROM alarms WHERE resolved_at IS NULL
                     UNION ALL
                     SELECT 'timer_overdue', aggregate, aggregate_id, fire_at, kind || coalesce(': ' || last_error, '')
                     FROM timers WHERE fire_at < clock_timestamp() - interval '10 s'
                     UNION ALL
                     SELECT 'event_unpublished', aggregate, aggregate_id, occurred_at, type || coalesce(': ' || last_error, '')
                     FROM events WHERE subscribed AND published_at IS NULL AND occurred_at < clock_timestamp() - interval '10 s'
                     UNION ALL
                     SELECT 'dead_letter', coalesce(aggregate, queue), coalesce(aggregate_id, id), died_at, queue || ': ' || reason
                     FROM dead_letters WHERE settled_at IS NULL
                     ORDER BY since LIMIT 500",
                )
                .load::<Stuck>(conn)
                .await?)
            }
            .boxed()
        })
        .await?;
    Ok(Json(Page { data, next_cursor: None }))
}

#[derive(Debug, Serialize)]
struct ShownLetter {
    #[serde(flatten)]
    letter: DeadLetter,
    /// Newer news was applied since: a replay would be dropped.
    obsolete: bool,
}

async fn list_dead_letters(
    _who: Ops,
    db: Data<Db>,
    page: Query<PageQuery>,
) -> Result<Json<Page<ShownLetter>>, Problem> {
    let (limit, after) = (page.limit()?, page.after()?);
    let letters = db
        .read(move |conn| {
            async move {
                let mut shown = Vec::new();
                for letter in dead_letters::open(conn, after, limit + 1).await? {
                    let obsolete = dead_letters::is_obsolete(conn, &letter).await?;
                    shown.push(ShownLetter { letter, obsolete });
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
struct Nothing {}

async fn replay(
    _who: Ops,
    db: Data<Db>,
    broker: Data<Broker>,
    id: Path<Uuid>,
    query: Query<HashMap<String, String>>,
    _key: Command<Nothing>,
) -> Result<Json<serde_json::Value>, Problem> {
    let dry_run = query.get("dry_run").is_some_and(|v| v != "false");
    let outcome = dead_letters::replay(&db, &broker, id.into_inner(), dry_run).await?;
    Ok(Json(serde_json::json!({"outcome": outcome})))
}

#[derive(Debug, Serialize, QueryableByName)]
struct Outbox {
    #[diesel(sql_type = BigInt)]
    unpublished: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    oldest_unpublished_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    unpositioned: i64,
    #[diesel(sql_type = BigInt)]
    last_position: i64,
    #[diesel(sql_type = diesel::sql_types::Jsonb)]
    set_aside: serde_json::Value,
}

async fn outbox(_who: Ops, db: Data<Db>) -> Result<Json<Outbox>, Problem> {
    let outbox = db
        .read(|conn| {
            async move {
                let outbox: Result<Outbox, Refusal> = Ok(diesel::sql_query(
                    "SELECT (SELECT count(*) FROM events WHERE subscribed AND published_at IS NULL) AS unpublished,
                            (SELECT min(occurred_at) FROM events WHERE subscribed AND published_at IS NULL) AS oldest_unpublished_at,
                            (SELECT count(*) FROM events WHERE position IS NULL) AS unpositioned,
                            (SELECT last_position FROM event_counter) AS last_position,
                            (SELECT coalesce(jsonb_agg(jsonb_build_object('event_id', event_id, 'type', type, 'attempts', attempts,
                                        'next_attempt_at', next_attempt_at, 'last_error', last_error)), '[]')
                             FROM (SELECT * FROM events WHERE subscribed AND published_at IS NULL AND attempts > 0
                                   ORDER BY position LIMIT 20) s) AS set_aside",
                )
                .get_result(conn)
                .await?);
                outbox
            }
            .boxed()
        })
        .await?;
    Ok(Json(outbox))
}
