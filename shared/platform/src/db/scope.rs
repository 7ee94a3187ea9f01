//! What a transaction writes besides its own rows: events, timers, resolved alarms, the stored answer. They are collected
//! while the body runs and written in one statement at its end.
//!
//! A transaction runs in a task of its own, so what it collects is a task-local: it cannot be reached from another
//! transaction, and ends with this one. Outside a transaction (tests that hold a bare connection) each is written at once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
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

use super::clock::Clock;
use super::prepared::Prepare as _;
use super::sqlstate::{LastError, SqlState};
use super::{Conn, Wakeup};
use crate::Refusal;
use crate::idempotency::Claim;

tokio::task_local! {
    static SCOPE: Scope;
}

/// One use of a connection.
pub(super) struct Scope {
    last_error: Arc<LastError>,
    clock: Arc<Clock>,
    /// Nothing is collected for reads.
    pending: Option<RefCell<Pending>>,
}

impl Scope {
    pub(super) fn of_read(last_error: Arc<LastError>, clock: Arc<Clock>) -> Self {
        Self { last_error, clock, pending: None }
    }

    pub(super) fn of_transaction(last_error: Arc<LastError>, clock: Arc<Clock>) -> Self {
        Self { last_error, clock, pending: Some(RefCell::default()) }
    }

    pub(super) async fn run<F: Future>(self, work: F) -> F::Output {
        SCOPE.scope(self, work).await
    }
}

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

/// When a timer fires.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FireAt {
    /// At this time.
    At(DateTime<Utc>),
    /// So long after the database's now.
    In(Duration),
}

/// What one transaction has collected.
#[derive(Debug, Default)]
pub(super) struct Pending {
    events: Vec<NewEvent>,
    /// By subject and kind: set, or removed.
    timers: BTreeMap<(Uuid, String), Option<(String, FireAt)>>,
    resolved_alarms: BTreeSet<Uuid>,
    answer: Option<(Claim, i16, serde_json::Value)>,
    wakeups: BTreeSet<Wakeup>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.timers.is_empty() && self.resolved_alarms.is_empty() && self.answer.is_none()
    }
}

/// The SQLSTATE of the newest error on the connection in use.
pub(crate) fn last_sqlstate() -> Option<SqlState> {
    SCOPE.try_with(|scope| scope.last_error.get()).ok().flatten()
}

/// The database's time, if it is known without asking.
pub(crate) fn known_time() -> Option<DateTime<Utc>> {
    SCOPE.try_with(|scope| scope.clock.now()).ok().flatten()
}

/// Lets `change` collect; false when nothing collects here, and it has to be written at once.
fn collect(change: impl FnOnce(&mut Pending)) -> bool {
    SCOPE
        .try_with(|scope| match &scope.pending {
            Some(pending) => {
                change(&mut pending.borrow_mut());
                true
            }
            None => false,
        })
        .unwrap_or(false)
}

/// Wakes a task once this transaction is committed; nothing happens when it is rolled back.
pub fn wake_after_commit(wakeup: Wakeup) {
    collect(|pending| {
        pending.wakeups.insert(wakeup);
    });
}

/// Announces a change with the transaction.
pub(crate) async fn add_event(conn: &mut Conn, event: NewEvent) -> Result<(), Refusal> {
    let mut event = Some(event);
    let collected = collect(|pending| {
        pending.events.extend(event.take());
        pending.wakeups.insert(Wakeup::EventLog);
    });
    if collected {
        Ok(())
    } else {
        write(conn, Pending { events: event.into_iter().collect(), ..Pending::default() }).await.map(drop)
    }
}

/// Sets a timer (`Some`) or removes it with the transaction. The last word about a timer counts.
pub(crate) async fn change_timer(
    conn: &mut Conn,
    id: Uuid,
    kind: &str,
    timer: Option<(String, FireAt)>,
) -> Result<(), Refusal> {
    // A timer that is nearly due would wait for the next look otherwise.
    let is_soon = match &timer {
        Some((_, FireAt::In(wait))) => *wait < super::SOON,
        Some((_, FireAt::At(at))) => *at < Utc::now() + super::SOON,
        None => false,
    };
    let mut timer = Some(timer);
    let key = (id, kind.to_owned());
    let collected = collect(|pending| {
        pending.timers.insert(key.clone(), timer.take().flatten());
        if is_soon {
            pending.wakeups.insert(Wakeup::Timers);
        }
    });
    if collected {
        return Ok(());
    }
    let timers = BTreeMap::from([(key, timer.flatten())]);
    write(conn, Pending { timers, ..Pending::default() }).await.map(drop)
}

/// Resolves all open alarms of a subject with the transaction.
pub(crate) async fn resolve_alarms(conn: &mut Conn, id: Uuid) -> Result<(), Refusal> {
    let collected = collect(|pending| {
        pending.resolved_alarms.insert(id);
    });
    if collected { Ok(()) } else { write_resolved(conn, id).await }
}

/// Resolves a subject's alarms at once if that was to be done at the end: before an alarm is raised that must stay.
pub(crate) async fn resolve_alarms_now(conn: &mut Conn, id: Uuid) -> Result<(), Refusal> {
    let mut was_pending = false;
    collect(|pending| was_pending = pending.resolved_alarms.remove(&id));
    if was_pending { write_resolved(conn, id).await } else { Ok(()) }
}

async fn write_resolved(conn: &mut Conn, id: Uuid) -> Result<(), Refusal> {
    write(conn, Pending { resolved_alarms: BTreeSet::from([id]), ..Pending::default() }).await.map(drop)
}

/// Keeps the answer of a command with the transaction.
pub(crate) fn keep_answer(claim: Claim, status: i16, body: serde_json::Value) {
    collect(|pending| pending.answer = Some((claim, status, body)));
}

/// How writing what was collected ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flushed {
    /// All of it is written.
    Written,
    /// A twin's answer is there already: this transaction must not commit.
    AlreadyAnswered,
}

/// Writes what this transaction has collected, and returns whom to wake after the commit.
pub(super) async fn flush(conn: &mut Conn) -> Result<(Flushed, BTreeSet<Wakeup>), Refusal> {
    let mut collected = Pending::default();
    collect(|pending| collected = std::mem::take(pending));
    let wakeups = std::mem::take(&mut collected.wakeups);
    Ok((write(conn, collected).await?, wakeups))
}

/// What a statement may consist of. Raw: diesel writes neither `WITH` nor `unnest`. There are few combinations, and each is parsed once per connection.
const REMOVE_TIMERS: &str = "
    DELETE FROM timers USING unnest($1, $2) AS gone (id, kind)
    WHERE timers.aggregate_id = gone.id AND timers.kind = gone.kind";
const SET_TIMERS: &str = "
    INSERT INTO timers (aggregate, aggregate_id, kind, fire_at)
    SELECT aggregate, id, kind, coalesce(at, clock_timestamp() + wait_ms * interval '1 ms')
    FROM unnest($1, $2, $3, $4, $5) AS new (aggregate, id, kind, at, wait_ms)
    ON CONFLICT (aggregate_id, kind) DO UPDATE
        SET fire_at = excluded.fire_at, claimed_until = NULL, attempts = 0, last_error = NULL";
const RESOLVE_ALARMS: &str = "
    UPDATE alarms SET resolved_at = clock_timestamp() WHERE aggregate_id = ANY($1) AND resolved_at IS NULL";
const TELL: &str = "
    INSERT INTO events (event_id, type, aggregate, aggregate_id, version, traceparent, actor, audience, data)
    SELECT event_id, type, aggregate, aggregate_id, version, traceparent, actor, audience, data::json
    FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)
        AS new (event_id, type, aggregate, aggregate_id, version, traceparent, actor, audience, data)";
const ANSWER: &str = "
    INSERT INTO idempotency (principal, route, key, fingerprint, status, body)
    VALUES ($1, $2, $3, $4, $5, $6::json) ON CONFLICT DO NOTHING RETURNING 1";

/// One statement made of parts: each numbers its own parameters from 1.
struct Statement {
    query: BoxedSqlQuery<'static, Pg, SqlQuery>,
    parts: usize,
    parameters: usize,
}

impl Statement {
    fn new() -> Self {
        Self { query: diesel::sql_query("").into_boxed(), parts: 0, parameters: 0 }
    }

    /// Adds a part under a name; its parameters are bound right after, in their order.
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

#[derive(QueryableByName)]
struct Written {
    #[diesel(sql_type = BigInt)]
    answered: i64,
}

async fn write(conn: &mut Conn, pending: Pending) -> Result<Flushed, Refusal> {
    if pending.is_empty() {
        return Ok(Flushed::Written);
    }
    let mut statement = Statement::new();
    let (set, removed): (Vec<_>, Vec<_>) = pending.timers.into_iter().partition(|(_, timer)| timer.is_some());
    if !removed.is_empty() {
        let (ids, kinds): (Vec<_>, Vec<_>) = removed.into_iter().map(|(key, _)| key).unzip();
        statement = statement.part("removed", REMOVE_TIMERS, 2);
        statement = statement.bind::<Array<SqlUuid>, Vec<Uuid>>(ids).bind::<Array<Text>, Vec<String>>(kinds);
    }
    if !set.is_empty() {
        statement = set_timers(statement, set);
    }
    if !pending.resolved_alarms.is_empty() {
        let ids = pending.resolved_alarms.into_iter().collect();
        statement = statement.part("resolved", RESOLVE_ALARMS, 1).bind::<Array<SqlUuid>, Vec<Uuid>>(ids);
    }
    if !pending.events.is_empty() {
        statement = tell(statement, pending.events);
    }
    let is_answer = pending.answer.is_some();
    if let Some((claim, status, body)) = pending.answer {
        statement = statement
            .part("answered", ANSWER, 6)
            .bind::<Text, _>(claim.principal)
            .bind::<Text, _>(claim.route)
            .bind::<Text, _>(claim.key)
            .bind::<Text, _>(claim.fingerprint)
            .bind::<SmallInt, _>(status)
            .bind::<Text, _>(body.to_string());
    }
    let outcome =
        if is_answer { " SELECT count(*) AS answered FROM answered" } else { " SELECT 0::bigint AS answered" };
    let written: Written = statement.query.sql(outcome).prepared().get_result(conn).await.map_err(|e| match e {
        // Only events have a key that is not spoken for: a concurrent update announced this version.
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Refusal::Conflict,
        e => e.into(),
    })?;
    Ok(if is_answer && written.answered == 0 { Flushed::AlreadyAnswered } else { Flushed::Written })
}

type Timers = Vec<((Uuid, String), Option<(String, FireAt)>)>;

fn set_timers(statement: Statement, set: Timers) -> Statement {
    let (mut aggregates, mut ids, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    let (mut at, mut wait_ms) = (Vec::new(), Vec::new());
    for ((id, kind), timer) in set {
        let Some((aggregate, fire_at)) = timer else { continue };
        let (time, wait) = match fire_at {
            FireAt::At(time) => (Some(time), None),
            FireAt::In(wait) => (None, Some(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))),
        };
        aggregates.push(aggregate);
        ids.push(id);
        kinds.push(kind);
        at.push(time);
        wait_ms.push(wait);
    }
    statement
        .part("timed", SET_TIMERS, 5)
        .bind::<Array<Text>, Vec<String>>(aggregates)
        .bind::<Array<SqlUuid>, Vec<Uuid>>(ids)
        .bind::<Array<Text>, Vec<String>>(kinds)
        .bind::<Array<Nullable<Timestamptz>>, Vec<Option<DateTime<Utc>>>>(at)
        .bind::<Array<Nullable<BigInt>>, Vec<Option<i64>>>(wait_ms)
}

fn tell(statement: Statement, events: Vec<NewEvent>) -> Statement {
    let mut columns = Columns::default();
    events.into_iter().for_each(|event| columns.push(event));
    statement
        .part("told", TELL, 9)
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

/// The events of a transaction, column by column.
#[derive(Default)]
struct Columns {
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

impl Columns {
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
