//! What a transaction writes besides its own rows: events, timers, resolved alarms, the stored answer. All of it goes
//! into one statement.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::pg::Pg;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, BigInt, HasSqlType, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::connect::Conn;
use super::prepared::Prepare as _;
use super::wakeup::Wakeup;
use crate::Refusal;

/// A row of the event log before it is written.
#[derive(Debug)]
pub(crate) struct NewEvent {
    pub(crate) event_id: Uuid,
    pub(crate) kind: String,
    pub(crate) aggregate: &'static str,
    pub(crate) aggregate_id: Uuid,
    pub(crate) version: i64,
    pub(crate) traceparent: String,
    pub(crate) actor: String,
    pub(crate) audience: Option<String>,
    /// JSON.
    pub(crate) data: String,
}

/// The primary key of a timer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    pub(crate) aggregate_id: Uuid,
    pub(crate) kind: String,
}

/// The other columns of a timer that is set.
#[derive(Debug)]
pub(crate) struct NewTimer {
    pub(crate) aggregate: String,
    pub(crate) fire_at: FireAt,
}

/// When a timer fires.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FireAt {
    At(DateTime<Utc>),
    /// This long after the row is written, by the clock of the database.
    In(Duration),
}

/// An answer to be stored with its idempotency key.
#[derive(Debug)]
pub(crate) struct NewAnswer {
    pub(crate) principal: String,
    pub(crate) route: String,
    pub(crate) key: String,
    pub(crate) fingerprint: String,
    pub(crate) status: i16,
    pub(crate) body: serde_json::Value,
}

/// What one transaction has collected.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) events: Vec<NewEvent>,
    /// `None` removes the timer.
    pub(super) timers: BTreeMap<TimerKey, Option<NewTimer>>,
    pub(super) resolved_alarms: BTreeSet<Uuid>,
    pub(super) answer: Option<NewAnswer>,
    pub(super) wakeups: BTreeSet<Wakeup>,
}

/// How writing [`Pending`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    All,
    /// A concurrent request with the same key has stored its answer: this transaction must not commit.
    AlreadyAnswered,
}

// Raw SQL, because diesel has neither `WITH` nor `unnest`. There are few combinations of these parts, and each
// connection prepares each of them once.
const DELETE_TIMERS: &str = "
    DELETE FROM timers USING unnest($1, $2) AS old (id, kind)
    WHERE timers.aggregate_id = old.id AND timers.kind = old.kind";
const SET_TIMERS: &str = "
    INSERT INTO timers (aggregate, aggregate_id, kind, fire_at)
    SELECT aggregate, id, kind, coalesce(at, clock_timestamp() + wait_ms * interval '1 ms')
    FROM unnest($1, $2, $3, $4, $5) AS new (aggregate, id, kind, at, wait_ms)
    ON CONFLICT (aggregate_id, kind) DO UPDATE
        SET fire_at = excluded.fire_at, claimed_until = NULL, attempts = 0, last_error = NULL";
const RESOLVE_ALARMS: &str = "
    UPDATE alarms SET resolved_at = clock_timestamp() WHERE aggregate_id = ANY($1) AND resolved_at IS NULL";
const INSERT_EVENTS: &str = "
    INSERT INTO events (event_id, type, aggregate, aggregate_id, version, traceparent, actor, audience, data)
    SELECT event_id, type, aggregate, aggregate_id, version, traceparent, actor, audience, data::json
    FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)
        AS new (event_id, type, aggregate, aggregate_id, version, traceparent, actor, audience, data)";
const INSERT_ANSWER: &str = "
    INSERT INTO idempotency (principal, route, key, fingerprint, status, body)
    VALUES ($1, $2, $3, $4, $5, $6::json) ON CONFLICT DO NOTHING RETURNING 1";

impl Pending {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.timers.is_empty() && self.resolved_alarms.is_empty() && self.answer.is_none()
    }

    /// Writes everything in one statement. If nothing was collected, sends none.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] when a concurrent update has written an event of the same version. [`Refusal::Away`] or
    /// [`Refusal::Bug`] from the database.
    pub(super) async fn write(self, conn: &mut Conn) -> Result<Written, Refusal> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            answers: i64,
        }
        if self.is_empty() {
            return Ok(Written::All);
        }
        let mut statement = Statement::new();
        let (set, deleted): (Vec<_>, Vec<_>) = self.timers.into_iter().partition(|(_, timer)| timer.is_some());
        if !deleted.is_empty() {
            statement = delete_timers(statement, deleted.into_iter().map(|(key, _)| key));
        }
        if !set.is_empty() {
            statement = set_timers(statement, set.into_iter().filter_map(|(key, timer)| Some((key, timer?))));
        }
        if !self.resolved_alarms.is_empty() {
            let ids = self.resolved_alarms.into_iter().collect();
            statement = statement.part("resolved_alarms", RESOLVE_ALARMS, 1).bind::<Array<SqlUuid>, Vec<Uuid>>(ids);
        }
        if !self.events.is_empty() {
            statement = insert_events(statement, self.events);
        }
        let has_answer = self.answer.is_some();
        if let Some(answer) = self.answer {
            statement = insert_answer(statement, answer);
        }
        let outcome =
            if has_answer { " SELECT count(*) AS answers FROM new_answer" } else { " SELECT 0::bigint AS answers" };
        let row: Row = statement.query.sql(outcome).prepared().get_result(conn).await.map_err(|e| match e {
            // All other unique keys have an ON CONFLICT.
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Refusal::Conflict,
            e => e.into(),
        })?;
        Ok(if has_answer && row.answers == 0 { Written::AlreadyAnswered } else { Written::All })
    }
}

/// One statement made of `WITH` parts, each of which numbers its own parameters from 1.
struct Statement {
    query: BoxedSqlQuery<'static, Pg, SqlQuery>,
    parts: usize,
    parameters: usize,
}

impl Statement {
    fn new() -> Self {
        Self { query: diesel::sql_query("").into_boxed(), parts: 0, parameters: 0 }
    }

    /// Adds a part. Its parameters have to be bound right after it, in order.
    fn part(mut self, name: &str, sql: &str, parameters: usize) -> Self {
        let mut numbered = sql.to_owned();
        // From the last to the first, so that $1 is not found in $10.
        for n in (1..=parameters).rev() {
            numbered = numbered.replace(&format!("${n}"), &format!("$@{}", self.parameters + n));
        }
        let opening = if self.parts == 0 { "WITH" } else { "," };
        self.query = self.query.sql(format!("{opening} {name} AS ({})", numbered.replace("$@", "$")));
        self.parts += 1;
        self.parameters += parameters;
        self
    }

    fn bind<ST, V>(mut self, value: V) -> Self
    where
        Pg: HasSqlType<ST>,
        V: ToSql<ST, Pg> + Send + 'static,
        ST: Send + 'static,
    {
        self.query = self.query.bind::<ST, V>(value);
        self
    }
}

fn delete_timers(statement: Statement, keys: impl Iterator<Item = TimerKey>) -> Statement {
    let (ids, kinds) = keys.map(|key| (key.aggregate_id, key.kind)).unzip();
    statement
        .part("deleted_timers", DELETE_TIMERS, 2)
        .bind::<Array<SqlUuid>, Vec<Uuid>>(ids)
        .bind::<Array<Text>, Vec<String>>(kinds)
}

fn set_timers(statement: Statement, timers: impl Iterator<Item = (TimerKey, NewTimer)>) -> Statement {
    let (mut aggregates, mut ids, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    let (mut at, mut wait_ms) = (Vec::new(), Vec::new());
    for (key, timer) in timers {
        let (time, wait) = match timer.fire_at {
            FireAt::At(time) => (Some(time), None),
            FireAt::In(wait) => (None, Some(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))),
        };
        aggregates.push(timer.aggregate);
        ids.push(key.aggregate_id);
        kinds.push(key.kind);
        at.push(time);
        wait_ms.push(wait);
    }
    statement
        .part("set_timers", SET_TIMERS, 5)
        .bind::<Array<Text>, Vec<String>>(aggregates)
        .bind::<Array<SqlUuid>, Vec<Uuid>>(ids)
        .bind::<Array<Text>, Vec<String>>(kinds)
        .bind::<Array<Nullable<Timestamptz>>, Vec<Option<DateTime<Utc>>>>(at)
        .bind::<Array<Nullable<BigInt>>, Vec<Option<i64>>>(wait_ms)
}

fn insert_events(statement: Statement, events: Vec<NewEvent>) -> Statement {
    let mut columns = EventColumns::default();
    events.into_iter().for_each(|event| columns.push(event));
    statement
        .part("new_events", INSERT_EVENTS, 9)
        .bind::<Array<SqlUuid>, Vec<Uuid>>(columns.event_id)
        .bind::<Array<Text>, Vec<String>>(columns.kind)
        .bind::<Array<Text>, Vec<&'static str>>(columns.aggregate)
        .bind::<Array<SqlUuid>, Vec<Uuid>>(columns.aggregate_id)
        .bind::<Array<BigInt>, Vec<i64>>(columns.version)
        .bind::<Array<Text>, Vec<String>>(columns.traceparent)
        .bind::<Array<Text>, Vec<String>>(columns.actor)
        .bind::<Array<Nullable<Text>>, Vec<Option<String>>>(columns.audience)
        .bind::<Array<Text>, Vec<String>>(columns.data)
}

fn insert_answer(statement: Statement, answer: NewAnswer) -> Statement {
    statement
        .part("new_answer", INSERT_ANSWER, 6)
        .bind::<Text, _>(answer.principal)
        .bind::<Text, _>(answer.route)
        .bind::<Text, _>(answer.key)
        .bind::<Text, _>(answer.fingerprint)
        .bind::<SmallInt, _>(answer.status)
        .bind::<Text, _>(answer.body.to_string())
}

/// Events column by column, as `unnest` takes them.
#[derive(Default)]
struct EventColumns {
    event_id: Vec<Uuid>,
    kind: Vec<String>,
    aggregate: Vec<&'static str>,
    aggregate_id: Vec<Uuid>,
    version: Vec<i64>,
    traceparent: Vec<String>,
    actor: Vec<String>,
    audience: Vec<Option<String>>,
    data: Vec<String>,
}

impl EventColumns {
    fn push(&mut self, event: NewEvent) {
        self.event_id.push(event.event_id);
        self.kind.push(event.kind);
        self.aggregate.push(event.aggregate);
        self.aggregate_id.push(event.aggregate_id);
        self.version.push(event.version);
        self.traceparent.push(event.traceparent);
        self.actor.push(event.actor);
        self.audience.push(event.audience);
        self.data.push(event.data);
    }
}
