//! Timers: rows with a due time, set in the transaction that needs them. A timer fires as a guarded transaction, so firing
//! late or twice does no harm.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::IntervalDsl as _;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::db::functions::{add_interval, clock_timestamp, statement_timestamp};
use crate::db::{self, FireAt, NewTimer, Prepare as _, TimerKey, Wakeup};
use crate::schema::timers;
use crate::{Cause, Conn, Db, Refusal, Stop};

/// How often due timers are looked for: another process may have set some.
const POLL: Duration = Duration::from_secs(1);
/// The most that are claimed at once.
const BATCH: i64 = 100;

/// A timer that is due.
#[derive(Debug, Clone, QueryableByName)]
pub struct Due {
    /// `order`.
    #[diesel(sql_type = Text)]
    pub aggregate: String,
    /// The aggregate's id.
    #[diesel(sql_type = SqlUuid)]
    pub aggregate_id: Uuid,
    /// What it is for: `acceptance`.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// When it was due. If it is still the same after the timer has fired, the timer is deleted.
    #[diesel(sql_type = Timestamptz)]
    pub fire_at: DateTime<Utc>,
    /// How often it has failed.
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
}

/// What a service implements to fire its timers.
#[async_trait]
pub trait OnTimer: Send + Sync + 'static {
    /// Does what is due, after checking that it still has to be done. The same transaction deletes the timer, unless it was
    /// set to another time.
    ///
    /// # Errors
    /// [`Refusal::Conflict`]: it is called again. Anything else: the timer stays with the error, and fires again later.
    async fn fire(&self, conn: &mut Conn, cause: &Cause, due: &Due) -> Result<(), Refusal>;
}

/// Sets or moves a timer with the transaction.
///
/// # Errors
/// Only outside a transaction: [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn set(
    conn: &mut Conn,
    aggregate: &str,
    id: Uuid,
    kind: &str,
    fire_at: DateTime<Utc>,
) -> Result<(), Refusal> {
    change(conn, aggregate, id, kind, FireAt::At(fire_at)).await
}

/// [`set`] to so long after the database's time when the transaction ends.
///
/// # Errors
/// As [`set`].
pub async fn set_in(conn: &mut Conn, aggregate: &str, id: Uuid, kind: &str, wait: Duration) -> Result<(), Refusal> {
    change(conn, aggregate, id, kind, FireAt::In(wait)).await
}

async fn change(conn: &mut Conn, aggregate: &str, id: Uuid, kind: &str, fire_at: FireAt) -> Result<(), Refusal> {
    let key = TimerKey { aggregate_id: id, kind: kind.to_owned() };
    db::change_timer(conn, key, Some(NewTimer { aggregate: aggregate.to_owned(), fire_at })).await
}

/// Removes timers with the transaction. Those that do not exist are ignored.
///
/// # Errors
/// As [`set`].
pub async fn clear(conn: &mut Conn, id: Uuid, kinds: &[&str]) -> Result<(), Refusal> {
    for kind in kinds {
        db::change_timer(conn, TimerKey { aggregate_id: id, kind: (*kind).to_owned() }, None).await?;
    }
    Ok(())
}

/// The database's time, by which every expiry is decided. While the event log is read it is known to within some
/// milliseconds, and this costs no statement.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn now(conn: &mut Conn) -> Result<DateTime<Utc>, Refusal> {
    if let Some(now) = db::known_time() {
        return Ok(now);
    }
    Ok(diesel::select(clock_timestamp()).get_result(conn).await?)
}

/// Fires due timers until `stop`. Any number of processes may do so at once.
///
/// Looks when the next known timer is due, when a commit sets one that is due soon ([`Wakeup::Timers`]), when `nudge` is
/// notified, and at least once a second.
pub async fn run(db: Db, on: Arc<impl OnTimer>, nudge: Arc<Notify>, stop: Stop) {
    let soon = db.wakeup(Wakeup::Timers);
    loop {
        let woken = nudge.notified();
        let wait = match fire_due(&db, &on).await {
            Ok(Fired { count, .. }) if count == BATCH as usize => continue,
            Ok(fired) => fired.next_in.min(POLL),
            Err(refusal) => {
                tracing::warn!(error = ?refusal, "timers cannot be read; trying again");
                POLL
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = woken => {}
            () = soon.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// What [`fire_due`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fired {
    /// How many timers were due.
    pub count: usize,
    /// How long until the next one is due.
    pub next_in: Duration,
}

/// Fires the timers that are due, at most `BATCH`.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] when the due timers cannot be read. A timer's own error is stored with it.
pub async fn fire_due(db: &Db, on: &Arc<impl OnTimer>) -> Result<Fired, Refusal> {
    let (next_in, is_due) = db.read(|conn| next_due(conn).boxed()).await?;
    if !is_due {
        return Ok(Fired { count: 0, next_in });
    }
    // Claimed in one statement and fired in transactions of their own, so that no timer's row is locked while a transaction
    // waits for its aggregate's.
    let due = db
        .read(|conn| {
            async move {
                // Raw: diesel has no `IN` of two columns over a subquery that locks its rows.
                Ok(diesel::sql_query(
                    "UPDATE timers SET claimed_until = clock_timestamp() + interval '30 s'
                     WHERE (aggregate_id, kind) IN (
                         SELECT aggregate_id, kind FROM timers
                         WHERE fire_at <= statement_timestamp()
                             AND (claimed_until IS NULL OR claimed_until < statement_timestamp())
                         ORDER BY fire_at LIMIT $1 FOR UPDATE SKIP LOCKED)
                     RETURNING aggregate, aggregate_id, kind, fire_at, attempts",
                )
                .bind::<BigInt, _>(BATCH)
                .prepared()
                .load::<Due>(conn)
                .await?)
            }
            .boxed()
        })
        .await?;
    let count = due.len();
    for due in due {
        fire(db, on, due).await;
    }
    Ok(Fired { count, next_in: Duration::ZERO })
}

/// How long until the next unclaimed timer is due, and whether it is due now.
async fn next_due(conn: &mut Conn) -> Result<(Duration, bool), Refusal> {
    let next: Option<(DateTime<Utc>, DateTime<Utc>)> = timers::table
        .filter(timers::claimed_until.is_null().or(timers::claimed_until.lt(statement_timestamp().nullable())))
        .order(timers::fire_at)
        .select((timers::fire_at, clock_timestamp()))
        .first(conn)
        .await
        .optional()?;
    let Some((fire_at, now)) = next else { return Ok((POLL, false)) };
    Ok(((fire_at - now).to_std().unwrap_or_default(), fire_at <= now))
}

async fn fire(db: &Db, on: &Arc<impl OnTimer>, due: Due) {
    let cause = Cause::of(format!("timer:{}", due.kind)).about(due.aggregate_id);
    let (on, subject) = (Arc::clone(on), due.clone());
    let fired = db
        .transaction(move |conn| {
            let (on, due, cause) = (Arc::clone(&on), due.clone(), cause.clone());
            async move {
                on.fire(conn, &cause, &due).await?;
                let unchanged =
                    timers::table.find((due.aggregate_id, &due.kind)).filter(timers::fire_at.eq(due.fire_at));
                diesel::delete(unchanged).execute(conn).await?;
                Ok(())
            }
            .boxed()
        })
        .await;
    let Err(refusal) = fired else { return };
    tracing::warn!(timer = subject.kind, aggregate_id = %subject.aggregate_id, error = ?refusal, "timer {} failed", subject.kind);
    let error = format!("{refusal:?}");
    let kept = db
        .transaction(move |conn| {
            let (due, error) = (subject.clone(), error.clone());
            async move {
                let unchanged =
                    timers::table.find((due.aggregate_id, &due.kind)).filter(timers::fire_at.eq(due.fire_at));
                // 1 s, 2 s, 4 s … 64 s until it is tried again; it stays due, so it shows as overdue.
                let pause = (1 << due.attempts.clamp(0, 6)).seconds();
                diesel::update(unchanged)
                    .set((
                        timers::attempts.eq(timers::attempts + 1),
                        timers::last_error.eq(error),
                        timers::claimed_until.eq(add_interval(clock_timestamp(), pause).nullable()),
                    ))
                    .prepared()
                    .execute(conn)
                    .await?;
                Ok(())
            }
            .boxed()
        })
        .await;
    if let Err(refusal) = kept {
        // It fires again when its claim ends, after 30 s.
        tracing::warn!(error = ?refusal, "a timer's error could not be stored");
    }
}
