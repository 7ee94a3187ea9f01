//! Alarms: rows that ask an operator to look at an aggregate. Open once per aggregate and kind.

use chrono::{DateTime, Utc};
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::sql_types::Integer;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use crate::db::functions::clock_timestamp;
use crate::db::{self, Prepare as _};
use crate::schema::alarms;
use crate::{Conn, Refusal};

/// How urgent an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody has to look now: a customer waits, or money is not where it belongs.
    Page,
    /// Somebody has to look today.
    Ticket,
}

/// The kinds that a person is woken for; all others can wait until they look.
pub const PAGES: [&str; 8] = [
    "at_risk",
    "slow_ride",
    "slow_return",
    "carrier_silent",
    "carrier_off_duty",
    "release_refused",
    "delivered_after_cancel",
    "picked_up_before_reassign",
];

/// Raises an alarm. One that is open is counted, with the new words; one that was resolved is open again.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn raise(conn: &mut Conn, kind: &str, aggregate: &str, id: Uuid, detail: &str) -> Result<(), Refusal> {
    // Otherwise the end of this transaction would resolve the new alarm, too.
    db::resolve_alarms_now(conn, id).await?;
    let is_over = alarms::resolved_at.is_not_null();
    let raised: i32 = diesel::insert_into(alarms::table)
        .values((
            alarms::kind.eq(kind),
            alarms::aggregate.eq(aggregate),
            alarms::aggregate_id.eq(id),
            alarms::detail.eq(detail),
        ))
        .on_conflict((alarms::aggregate_id, alarms::kind))
        .do_update()
        .set((
            alarms::detail.eq(excluded(alarms::detail)),
            alarms::raised_at.eq(case_when(is_over, clock_timestamp()).otherwise(alarms::raised_at)),
            alarms::last_raised_at.eq(clock_timestamp()),
            alarms::raised.eq(case_when(is_over, 1_i32.into_sql::<Integer>()).otherwise(alarms::raised + 1)),
            alarms::acknowledged_at.eq(case_when(alarms::resolved_at.is_null(), alarms::acknowledged_at)),
            alarms::acknowledged_by.eq(case_when(alarms::resolved_at.is_null(), alarms::acknowledged_by)),
            alarms::snoozed_until.eq(case_when(alarms::resolved_at.is_null(), alarms::snoozed_until)),
            alarms::note.eq(case_when(alarms::resolved_at.is_null(), alarms::note)),
            alarms::resolved_at.eq(None::<DateTime<Utc>>),
            alarms::resolved_by.eq(None::<String>),
        ))
        .returning(alarms::raised)
        .prepared()
        .get_result(conn)
        .await?;
    if raised == 1 {
        tracing::warn!(alarm = kind, aggregate, aggregate_id = %id, detail, "alarm {kind}: {detail}");
    }
    Ok(())
}

/// Resolves an aggregate's open alarm of one kind, if there is one.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn resolve_kind(conn: &mut Conn, id: Uuid, kind: &str) -> Result<(), Refusal> {
    let open = alarms::table
        .filter(alarms::aggregate_id.eq(id))
        .filter(alarms::kind.eq(kind))
        .filter(alarms::resolved_at.is_null());
    diesel::update(open).set(alarms::resolved_at.eq(clock_timestamp().nullable())).prepared().execute(conn).await?;
    Ok(())
}

/// Resolves all open alarms of an aggregate with the transaction.
///
/// # Errors
/// Only outside a transaction: [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn resolve(conn: &mut Conn, id: Uuid) -> Result<(), Refusal> {
    db::resolve_alarms(conn, id).await
}

/// An alarm.
#[derive(Debug, Clone, Serialize, Queryable, Selectable)]
#[diesel(table_name = alarms)]
#[allow(missing_docs, reason = "columns; the migration documents them")]
pub struct Alarm {
    pub id: Uuid,
    pub kind: String,
    pub aggregate: String,
    pub aggregate_id: Uuid,
    pub detail: String,
    pub raised: i32,
    pub raised_at: DateTime<Utc>,
    pub last_raised_at: DateTime<Utc>,
    pub acknowledged_at: Option<DateTime<Utc>>,
    pub acknowledged_by: Option<String>,
    pub snoozed_until: Option<DateTime<Utc>>,
    pub note: Option<String>,
    pub resolved_at: Option<DateTime<Utc>>,
    pub resolved_by: Option<String>,
}

impl Alarm {
    /// How urgent it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if PAGES.contains(&self.kind.as_str()) { Severity::Page } else { Severity::Ticket }
    }
}

/// What a person does with an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// They have seen it.
    Acknowledge,
    /// It is not shown among what is stuck until this time.
    Snooze(DateTime<Utc>),
    /// It is over.
    Resolve,
}

/// Does something with an alarm, and notes who and why. Resolving one that is over changes nothing.
///
/// # Errors
/// [`Refusal::NotFound`]; [`Refusal::Illegal`] `alarm_resolved` when it is over and is to be acknowledged or put off.
pub async fn work_on(conn: &mut Conn, id: Uuid, by: &str, work: &Work, note: Option<&str>) -> Result<Alarm, Refusal> {
    let alarm = alarms::table.filter(alarms::id.eq(id)).select(Alarm::as_select()).for_no_key_update();
    let alarm: Alarm = alarm.first(conn).await.optional()?.ok_or(Refusal::NotFound("alarm"))?;
    if alarm.resolved_at.is_some() {
        return match work {
            Work::Resolve => Ok(alarm),
            Work::Acknowledge | Work::Snooze(_) => Err(Refusal::Illegal {
                code: "alarm_resolved",
                detail: "this alarm is over".to_owned(),
                state: "resolved".to_owned(),
                allowed: Vec::new(),
            }),
        };
    }
    let change = diesel::update(alarms::table.filter(alarms::id.eq(id)));
    let (now, by) = (clock_timestamp().nullable(), Some(by));
    match work {
        Work::Acknowledge => {
            change.set((alarms::acknowledged_at.eq(now), alarms::acknowledged_by.eq(by))).execute(conn).await?
        }
        Work::Snooze(until) => change.set(alarms::snoozed_until.eq(Some(until))).execute(conn).await?,
        Work::Resolve => change.set((alarms::resolved_at.eq(now), alarms::resolved_by.eq(by))).execute(conn).await?,
    };
    if let Some(note) = note {
        diesel::update(alarms::table.filter(alarms::id.eq(id))).set(alarms::note.eq(note)).execute(conn).await?;
    }
    Ok(alarms::table.filter(alarms::id.eq(id)).select(Alarm::as_select()).first(conn).await?)
}

/// One alarm.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn load(conn: &mut Conn, id: Uuid) -> Result<Alarm, Refusal> {
    let alarm = alarms::table.filter(alarms::id.eq(id)).select(Alarm::as_select());
    alarm.first(conn).await.optional()?.ok_or(Refusal::NotFound("alarm"))
}

/// At most `limit` alarms after this one, the worst first and of these the newest: open ones, or all.
///
/// # Errors
/// [`Refusal::NotFound`] when there is no alarm `after` any more.
pub async fn list(conn: &mut Conn, open: bool, after: Option<Uuid>, limit: i64) -> Result<Vec<Alarm>, Refusal> {
    let is_page = |kind: &str| PAGES.contains(&kind);
    let mut rows = alarms::table
        .order((alarms::kind.eq_any(PAGES).desc(), alarms::last_raised_at.desc(), alarms::id.desc()))
        .limit(limit)
        .select(Alarm::as_select())
        .into_boxed();
    if open {
        rows = rows.filter(alarms::resolved_at.is_null());
    }
    if let Some(after) = after {
        let last = load(conn, after).await?;
        let is_later = alarms::last_raised_at
            .lt(last.last_raised_at)
            .or(alarms::last_raised_at.eq(last.last_raised_at).and(alarms::id.lt(last.id)));
        rows = if is_page(&last.kind) {
            rows.filter(diesel::dsl::not(alarms::kind.eq_any(PAGES)).or(is_later))
        } else {
            rows.filter(diesel::dsl::not(alarms::kind.eq_any(PAGES))).filter(is_later)
        };
    }
    Ok(rows.load(conn).await?)
}
