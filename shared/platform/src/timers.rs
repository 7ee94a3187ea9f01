//! Time as rows: a timer is set in the transaction that makes it necessary, and fires as a guarded transition,
//! so that firing late or twice is harmless.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::schema::timers;
use crate::{Cause, Conn, Db, Refusal, Stop};

/// How often due timers are looked for.
const POLL: Duration = Duration::from_millis(250);
const BATCH: i64 = 100;

/// A timer that is due.
#[derive(Debug, Clone, QueryableByName)]
pub struct Due {
    /// What it belongs to: `order`.
    #[diesel(sql_type = Text)]
    pub aggregate: String,
    /// Which one.
    #[diesel(sql_type = SqlUuid)]
    pub aggregate_id: Uuid,
    /// What it is for: `acceptance`.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// When it was to fire. Unchanged when it has fired, it is deleted.
    #[diesel(sql_type = Timestamptz)]
    pub fire_at: DateTime<Utc>,
}

/// What a service does when its timers fire.
#[async_trait]
pub trait OnTimer: Send + Sync + 'static {
    /// Does what is due, if it is still due: the transaction also removes the timer, unless it was set anew.
    ///
    /// # Errors
    /// `Conflict`: reload and decide again. Anything else: it stays, with its error, and is tried later.
    async fn fire(&self, conn: &mut Conn, cause: &Cause, due: &Due) -> Result<(), Refusal>;
}

/// Sets a timer, or moves it.
///
/// # Errors
/// What the database says.
pub async fn set(
    conn: &mut Conn,
    aggregate: &str,
    id: Uuid,
    kind: &str,
    fire_at: DateTime<Utc>,
) -> Result<(), Refusal> {
    diesel::insert_into(timers::table)
        .values((
            timers::aggregate.eq(aggregate),
            timers::aggregate_id.eq(id),
            timers::kind.eq(kind),
            timers::fire_at.eq(fire_at),
        ))
        .on_conflict((timers::aggregate_id, timers::kind))
        .do_update()
        .set((
            timers::fire_at.eq(fire_at),
            timers::claimed_until.eq(None::<DateTime<Utc>>),
            timers::attempts.eq(0),
            timers::last_error.eq(None::<String>),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// [`set`], counted from the database's clock.
///
/// # Errors
/// What the database says.
pub async fn set_in(conn: &mut Conn, aggregate: &str, id: Uuid, kind: &str, wait: Duration) -> Result<(), Refusal> {
    let now = now(conn).await?;
    set(conn, aggregate, id, kind, now + wait).await
}

/// Removes timers; the ones that are not there are no failure.
///
/// # Errors
/// What the database says.
pub async fn clear(conn: &mut Conn, id: Uuid, kinds: &[&str]) -> Result<(), Refusal> {
    diesel::delete(timers::table.filter(timers::aggregate_id.eq(id)).filter(timers::kind.eq_any(kinds)))
        .execute(conn)
        .await?;
    Ok(())
}

/// The database's clock: the one that judges expiry.
///
/// # Errors
/// What the database says.
pub async fn now(conn: &mut Conn) -> Result<DateTime<Utc>, Refusal> {
    #[derive(QueryableByName)]
    struct Now {
        #[diesel(sql_type = Timestamptz)]
        now: DateTime<Utc>,
    }
    Ok(diesel::sql_query("SELECT clock_timestamp() AS now").get_result::<Now>(conn).await?.now)
}

/// Fires due timers until `stop`. Any number of processes may do so at once.
pub async fn run(db: Db, on: Arc<impl OnTimer>, nudge: Arc<Notify>, stop: Stop) {
    loop {
        let woken = nudge.notified();
        match fire_due(&db, &on).await {
            Ok(n) if n == BATCH as usize => continue,
            Ok(_) => {}
            Err(refusal) => tracing::warn!(error = ?refusal, "timers cannot be read; trying again"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = woken => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// Fires what is due now; returns how many were.
///
/// # Errors
/// When the due timers cannot be read. A timer's own failure is kept with the timer.
pub async fn fire_due(db: &Db, on: &Arc<impl OnTimer>) -> Result<usize, Refusal> {
    // Read first: most looks find nothing, and a commit wakes everybody who waits for one.
    if !db.read(|conn| any_due(conn).boxed()).await? {
        return Ok(0);
    }
    // Claimed in a short transaction and fired in others: a timer's row is never locked while its aggregate's is waited for.
    let due = db
        .transaction(|conn| {
            async move {
                Ok(diesel::sql_query(
                    "UPDATE timers SET claimed_until = clock_timestamp() + interval '30 s'
                     WHERE (aggregate_id, kind) IN (
                         SELECT aggregate_id, kind FROM timers
                         WHERE fire_at <= clock_timestamp() AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
                         ORDER BY fire_at LIMIT $1 FOR UPDATE SKIP LOCKED)
                     RETURNING aggregate, aggregate_id, kind, fire_at",
                )
                .bind::<BigInt, _>(BATCH)
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
    Ok(count)
}

async fn any_due(conn: &mut Conn) -> Result<bool, Refusal> {
    let due = timers::table.filter(timers::fire_at.le(diesel::dsl::now)).filter(
        timers::claimed_until
            .is_null()
            .or(timers::claimed_until.lt(diesel::dsl::now.into_sql::<Timestamptz>().nullable())),
    );
    Ok(diesel::select(diesel::dsl::exists(due)).get_result(conn).await?)
}

async fn fire(db: &Db, on: &Arc<impl OnTimer>, due: Due) {
    let cause = Cause::of(format!("timer:{}", due.kind));
    let (on, subject) = (Arc::clone(on), due.clone());
    let fired = db
        .transaction(move |conn| {
            let (on, due, cause) = (Arc::clone(&on), due.clone(), cause.clone());
            async move {
                on.fire(conn, &cause, &due).await?;
                diesel::delete(
                    timers::table
                        .filter(timers::aggregate_id.eq(due.aggregate_id))
                        .filter(timers::kind.eq(&due.kind))
                        .filter(timers::fire_at.eq(due.fire_at)),
                )
                .execute(conn)
                .await?;
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
                // 1 s, 2 s, 4 s … 64 s until it is tried again; it stays due, so it shows as overdue.
                diesel::sql_query(
                    "UPDATE timers SET attempts = attempts + 1, last_error = $4,
                            claimed_until = clock_timestamp() + power(2, least(attempts, 6)) * interval '1 s'
                     WHERE aggregate_id = $1 AND kind = $2 AND fire_at = $3",
                )
                .bind::<SqlUuid, _>(due.aggregate_id)
                .bind::<Text, _>(due.kind)
                .bind::<Timestamptz, _>(due.fire_at)
                .bind::<Text, _>(error)
                .execute(conn)
                .await?;
                Ok(())
            }
            .boxed()
        })
        .await;
    if let Err(refusal) = kept {
        // Its claim runs out in 30 s, then it is tried again anyway.
        tracing::warn!(error = ?refusal, "could not note why a timer failed");
    }
}
