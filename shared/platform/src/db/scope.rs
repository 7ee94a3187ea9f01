//! The context of one use of a connection: its last SQLSTATE, the database's time, and what the transaction has collected
//! to be written at its end.
//!
//! Every transaction runs in a task of its own, so its context is a task-local: no other transaction can reach it, and it
//! ends with the transaction. Outside a transaction nothing is collected, and each write happens at once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::clock::Clock;
use super::connect::Conn;
use super::pending::{FireAt, NewAnswer, NewEvent, NewTimer, Pending, TimerKey, Written};
use super::sqlstate::{LastError, SqlState};
use super::wakeup::Wakeup;
use crate::Refusal;
use crate::telemetry::traces;

/// A timer that is due sooner than this wakes the task that fires timers; later ones it finds when it polls.
const SOON: Duration = Duration::from_secs(1);

tokio::task_local! {
    static SCOPE: Scope;
}

pub(super) struct Scope {
    last_error: Arc<LastError>,
    clock: Arc<Clock>,
    /// `None` outside a transaction.
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

/// The SQLSTATE of the newest error on the connection in use.
pub(super) fn last_sqlstate() -> Option<SqlState> {
    SCOPE.try_with(|scope| scope.last_error.get()).ok().flatten()
}

/// The database's time, if it is known without asking.
pub(crate) fn known_time() -> Option<DateTime<Utc>> {
    SCOPE.try_with(|scope| scope.clock.now()).ok().flatten()
}

/// Calls `change` with what is collected. False outside a transaction: then the caller has to write at once.
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

/// Wakes a task once this transaction is committed. Nothing happens when it is rolled back, or outside a transaction.
pub fn wake_after_commit(wakeup: Wakeup) {
    collect(|pending| {
        pending.wakeups.insert(wakeup);
    });
}

/// Writes an event with the transaction.
pub(crate) async fn add_event(conn: &mut Conn, event: NewEvent) -> Result<(), Refusal> {
    traces::link_to_newest(event.aggregate_id, &event.traceparent);
    traces::remember(event.aggregate_id, &event.traceparent);
    let mut event = Some(event);
    let is_collected = collect(|pending| {
        pending.events.extend(event.take());
        pending.wakeups.insert(Wakeup::EventLog);
    });
    if is_collected {
        return Ok(());
    }
    Pending { events: event.into_iter().collect(), ..Pending::default() }.write(conn).await.map(drop)
}

/// Sets a timer with the transaction, or removes it (`None`). The last change of a timer wins.
pub(crate) async fn change_timer(conn: &mut Conn, key: TimerKey, timer: Option<NewTimer>) -> Result<(), Refusal> {
    let is_soon = match timer.as_ref().map(|timer| timer.fire_at) {
        Some(FireAt::In(wait)) => wait < SOON,
        Some(FireAt::At(at)) => at < Utc::now() + SOON,
        None => false,
    };
    let mut change = Some((key, timer));
    let is_collected = collect(|pending| {
        pending.timers.extend(change.take());
        if is_soon {
            pending.wakeups.insert(Wakeup::Timers);
        }
    });
    if is_collected {
        return Ok(());
    }
    Pending { timers: BTreeMap::from_iter(change), ..Pending::default() }.write(conn).await.map(drop)
}

/// Resolves all open alarms of an aggregate with the transaction.
pub(crate) async fn resolve_alarms(conn: &mut Conn, aggregate_id: Uuid) -> Result<(), Refusal> {
    let is_collected = collect(|pending| {
        pending.resolved_alarms.insert(aggregate_id);
    });
    if is_collected { Ok(()) } else { write_resolved(conn, aggregate_id).await }
}

/// Resolves an aggregate's alarms at once if [`resolve_alarms`] has collected them. Called before an alarm is raised, which
/// would be resolved with the others otherwise.
pub(crate) async fn resolve_alarms_now(conn: &mut Conn, aggregate_id: Uuid) -> Result<(), Refusal> {
    let mut is_pending = false;
    collect(|pending| is_pending = pending.resolved_alarms.remove(&aggregate_id));
    if is_pending { write_resolved(conn, aggregate_id).await } else { Ok(()) }
}

async fn write_resolved(conn: &mut Conn, aggregate_id: Uuid) -> Result<(), Refusal> {
    Pending { resolved_alarms: BTreeSet::from([aggregate_id]), ..Pending::default() }.write(conn).await.map(drop)
}

/// Stores the answer of a command with the transaction. Does nothing outside one.
pub(crate) fn store_answer(answer: NewAnswer) {
    collect(|pending| pending.answer = Some(answer));
}

/// Writes what this transaction has collected, and returns whom to wake after the commit.
pub(super) async fn flush(conn: &mut Conn) -> Result<(Written, BTreeSet<Wakeup>), Refusal> {
    let mut collected = Pending::default();
    collect(|pending| collected = std::mem::take(pending));
    let wakeups = std::mem::take(&mut collected.wakeups);
    Ok((collected.write(conn).await?, wakeups))
}
