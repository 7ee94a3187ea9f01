//! Riders: shift, load, and where they were last heard of.

use chrono::{DateTime, Utc};
use diesel::dsl::IntervalDsl as _;
use diesel::prelude::*;
use diesel::sql_types::{Array, Integer, Jsonb, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::event::Snapshot as _;
use pannier_contracts::rider::{RiderSnapshot, RiderStatus};
use pannier_contracts::{Place, RiderId, Version};
use pannier_platform::db::functions::{clock_timestamp, greatest, statement_timestamp, subtract_interval};
use pannier_platform::{Cause, Conn, Prepare as _, Refusal, events};
use uuid::Uuid;

use super::literal::offline;
use super::schema::riders;

/// A rider.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = riders)]
pub struct Rider {
    /// Which rider.
    pub id: RiderId,
    /// What they are called.
    pub name: String,
    /// What they ride.
    pub vehicle: String,
    /// How fast they usually go, metres per second.
    pub speed_mps: f64,
    /// The most that `active` may be.
    pub capacity: i32,
    /// On shift?
    pub status: RiderStatus,
    /// Silent for too long.
    pub stale: bool,
    /// Accepted and not ended offers.
    pub active: i32,
    /// Offers to be answered. Together with `active` never more than `capacity`, whoever asks: the table checks it.
    pub open_offers: i32,
    /// How often they have changed. Positions do not count.
    pub version: Version,
    /// When they were last heard of; coarse.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Where; coarse.
    pub last_place: Option<Place>,
    /// Since when they have had nothing to do.
    pub idle_since: DateTime<Utc>,
    /// Offers that they accepted.
    pub offers_accepted: i64,
    /// Offers that they accepted, declined or let go.
    pub offers_answered: i64,
}

/// A rider just met is expected to answer like one who accepted this many offers.
const BENEFIT_OF_DOUBT: i64 = 10;

impl Rider {
    /// As the world sees them.
    #[must_use]
    pub fn snapshot(&self) -> RiderSnapshot {
        RiderSnapshot {
            id: self.id,
            version: self.version,
            status: self.status,
            stale: self.stale,
            name: self.name.clone(),
            vehicle: self.vehicle.clone(),
            speed_mps: self.speed_mps,
            active: self.active,
            capacity: self.capacity,
        }
    }

    /// How many of a thousand offers they accept.
    #[must_use]
    pub fn acceptance_permille(&self) -> u32 {
        let permille =
            (self.offers_accepted + BENEFIT_OF_DOUBT) * 1_000 / (self.offers_answered + BENEFIT_OF_DOUBT).max(1);
        u32::try_from(permille.clamp(0, 1_000)).unwrap_or(1_000)
    }
}

/// One rider.
///
/// # Errors
/// `NotFound`.
pub async fn load(conn: &mut Conn, id: RiderId) -> Result<Rider, Refusal> {
    find(conn, id).await?.ok_or(Refusal::NotFound("rider"))
}

/// One rider, if there is one.
///
/// # Errors
/// What the database says.
pub async fn find(conn: &mut Conn, id: RiderId) -> Result<Option<Rider>, Refusal> {
    Ok(riders::table.find(id).select(Rider::as_select()).first(conn).await.optional()?)
}

/// These riders, locked in the order of their ids.
///
/// # Errors
/// What the database says.
pub async fn lock(conn: &mut Conn, ids: &[RiderId]) -> Result<Vec<Rider>, Refusal> {
    Ok(riders::table
        .filter(riders::id.eq_any(ids))
        .order(riders::id)
        .select(Rider::as_select())
        .for_no_key_update()
        .load(conn)
        .await?)
}

/// These riders, wherever they are.
///
/// # Errors
/// What the database refuses.
pub async fn these(conn: &mut Conn, ids: &[RiderId]) -> Result<Vec<Rider>, Refusal> {
    Ok(riders::table.filter(riders::id.eq_any(ids)).select(Rider::as_select()).load(conn).await?)
}

/// Counts offers that riders are asked now, one for each time that they are named. The caller holds their locks.
///
/// # Errors
/// When one of them cannot take more: the table checks it.
pub async fn count_asked(conn: &mut Conn, ids: &[RiderId]) -> Result<(), Refusal> {
    count_open(conn, ids, 1).await
}

/// Counts offers that riders need not answer any more, one for each time that they are named. Several are locked in the
/// order of their ids first, as everybody does.
///
/// # Errors
/// What the database refuses.
pub async fn count_closed(conn: &mut Conn, ids: &[RiderId]) -> Result<(), Refusal> {
    if ids.is_empty() {
        return Ok(());
    }
    if ids.len() > 1 {
        lock(conn, ids).await?;
    }
    count_open(conn, ids, -1).await
}

async fn count_open(conn: &mut Conn, ids: &[RiderId], sign: i32) -> Result<(), Refusal> {
    // Raw: several rows, each with a number of its own.
    diesel::sql_query(
        "UPDATE riders r SET open_offers = greatest(0, r.open_offers + $2 * counted.n)
         FROM (SELECT id, count(*)::integer AS n FROM unnest($1) AS asked (id) GROUP BY id ORDER BY id) AS counted
         WHERE r.id = counted.id",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Integer, _>(sign)
    .prepared()
    .execute(conn)
    .await?;
    Ok(())
}

/// Everybody on shift.
///
/// # Errors
/// What the database says.
pub async fn on_shift(conn: &mut Conn) -> Result<Vec<Rider>, Refusal> {
    Ok(riders::table.filter(riders::status.ne(offline())).select(Rider::as_select()).prepared().load(conn).await?)
}

/// A page of all riders, by id.
///
/// # Errors
/// What the database says.
pub async fn page(conn: &mut Conn, after: Option<Uuid>, limit: i64) -> Result<Vec<Rider>, Refusal> {
    Ok(riders::table
        .filter(riders::id.gt(after.unwrap_or(Uuid::nil())))
        .order(riders::id)
        .limit(limit)
        .select(Rider::as_select())
        .load(conn)
        .await?)
}

/// Makes a rider, and tells.
///
/// # Errors
/// `Conflict` when somebody else just made them.
pub async fn insert(conn: &mut Conn, cause: &Cause, rider: &RiderSnapshot) -> Result<Rider, Refusal> {
    let row: Option<Rider> = diesel::insert_into(riders::table)
        .values((
            riders::id.eq(rider.id),
            riders::name.eq(&rider.name),
            riders::vehicle.eq(&rider.vehicle),
            riders::speed_mps.eq(rider.speed_mps),
            riders::capacity.eq(rider.capacity),
            riders::status.eq(rider.status),
            riders::version.eq(rider.version()),
        ))
        .on_conflict_do_nothing()
        .returning(Rider::as_returning())
        .prepared()
        .get_result(conn)
        .await
        .optional()?;
    let row = row.ok_or(Refusal::Conflict)?;
    events::append(conn, cause, "created", None, rider).await?;
    Ok(row)
}

/// Writes what a rider is after a change of profile, shift or staleness, and tells. `active` is not among it:
/// it is only ever counted up and down.
///
/// # Errors
/// `Conflict` when they have changed since they were loaded.
pub async fn advance(
    conn: &mut Conn,
    cause: &Cause,
    kind: &str,
    rider: &Rider,
    change: impl FnOnce(&mut Rider),
) -> Result<Rider, Refusal> {
    let mut next = rider.clone();
    change(&mut next);
    let row: Option<Rider> = diesel::update(riders::table.find(rider.id).filter(riders::version.eq(rider.version)))
        .set((
            riders::name.eq(&next.name),
            riders::vehicle.eq(&next.vehicle),
            riders::speed_mps.eq(next.speed_mps),
            riders::capacity.eq(next.capacity),
            riders::status.eq(next.status),
            riders::stale.eq(next.stale),
            riders::idle_since.eq(next.idle_since),
            riders::version.eq(riders::version + 1),
        ))
        .returning(Rider::as_returning())
        .prepared()
        .get_result(conn)
        .await
        .optional()?;
    let row = row.ok_or(Refusal::Conflict)?;
    events::append(conn, cause, kind, None, &row.snapshot()).await?;
    Ok(row)
}

/// Has a rider on shift not been heard of for so many seconds?
///
/// # Errors
/// What the database says.
pub async fn is_silent(conn: &mut Conn, id: RiderId, silent_s: i64) -> Result<bool, Refusal> {
    Ok(silent(conn, silent_s, Some(id)).await?.contains(&id))
}

/// Riders on shift who have not been heard of for so many seconds, by id; only `one` if given.
///
/// # Errors
/// What the database says.
pub async fn silent(conn: &mut Conn, silent_s: i64, one: Option<RiderId>) -> Result<Vec<RiderId>, Refusal> {
    let silent = riders::last_seen_at.is_null().or(riders::last_seen_at.lt(subtract_interval(
        statement_timestamp(),
        silent_s.seconds(),
    )
    .nullable()));
    let mut query = riders::table
        .filter(riders::status.ne(offline()))
        .filter(silent)
        .order(riders::id)
        .select(riders::id)
        .into_boxed();
    if let Some(one) = one {
        query = query.filter(riders::id.eq(one));
    }
    Ok(query.prepared().load(conn).await?)
}

/// A rider as last heard of, to be noted.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Who.
    pub rider: RiderId,
    /// Where.
    pub place: Place,
    /// In which cell.
    pub cell: String,
}

/// Notes where riders on shift are; coarse, and not their versions. Rows that somebody is writing are left for next time.
/// Returns those of them who counted as silent until now.
///
/// # Errors
/// What the database says.
pub async fn note_seen(conn: &mut Conn, seen: &[Seen]) -> Result<Vec<RiderId>, Refusal> {
    #[derive(QueryableByName)]
    #[diesel(table_name = riders)]
    struct Stale {
        id: RiderId,
    }
    // Raw: rows that are locked are skipped, and each of the others is set to values of its own.
    let rows: Vec<Stale> = diesel::sql_query(format!(
        "WITH given AS (SELECT * FROM unnest($1, $2, $3) AS g(id, place, cell)),
              free AS (SELECT r.id, r.stale FROM riders r JOIN given USING (id)
                       WHERE r.status <> '{offline}' ORDER BY r.id FOR NO KEY UPDATE OF r SKIP LOCKED),
              noted AS (UPDATE riders r SET last_seen_at = clock_timestamp(), last_place = g.place, cell = g.cell
                        FROM given g JOIN free USING (id) WHERE r.id = g.id)
         SELECT id FROM free WHERE stale",
        offline = RiderStatus::Offline,
    ))
    .bind::<Array<SqlUuid>, _>(seen.iter().map(|s| s.rider).collect::<Vec<_>>())
    .bind::<Array<Jsonb>, _>(seen.iter().map(|s| s.place).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(seen.iter().map(|s| s.cell.as_str()).collect::<Vec<_>>())
    .prepared()
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Notes where a rider is, at once: they just said so. No version: positions are not part of the snapshot.
///
/// # Errors
/// What the database says.
pub async fn place(conn: &mut Conn, id: RiderId, place: Place, cell: &str) -> Result<(), Refusal> {
    diesel::update(riders::table.find(id))
        .set((
            riders::last_seen_at.eq(clock_timestamp().nullable()),
            riders::last_place.eq(place),
            riders::cell.eq(cell),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// One order more and one offer less, if it fits and the rider is on shift; `None` when not.
///
/// # Errors
/// What the database says.
pub async fn load_up(conn: &mut Conn, cause: &Cause, id: RiderId) -> Result<Option<Rider>, Refusal> {
    let row: Option<Rider> = diesel::update(
        riders::table
            .find(id)
            .filter(riders::active.lt(riders::capacity))
            .filter(riders::status.ne(RiderStatus::Offline)),
    )
    .set((
        riders::active.eq(riders::active + 1),
        riders::open_offers.eq(greatest(0, riders::open_offers - 1)),
        riders::offers_accepted.eq(riders::offers_accepted + 1),
        riders::offers_answered.eq(riders::offers_answered + 1),
        riders::version.eq(riders::version + 1),
    ))
    .returning(Rider::as_returning())
    .prepared()
    .get_result(conn)
    .await
    .optional()?;
    if let Some(row) = &row {
        events::append(conn, cause, "load_changed", None, &row.snapshot()).await?;
    }
    Ok(row)
}

/// One order less.
///
/// # Errors
/// What the database says.
pub async fn unload(conn: &mut Conn, cause: &Cause, id: RiderId, now: DateTime<Utc>) -> Result<(), Refusal> {
    let row: Rider = diesel::update(riders::table.find(id))
        .set((
            riders::active.eq(riders::active - 1),
            riders::idle_since.eq(now),
            riders::version.eq(riders::version + 1),
        ))
        .returning(Rider::as_returning())
        .prepared()
        .get_result(conn)
        .await?;
    events::append(conn, cause, "load_changed", None, &row.snapshot()).await
}

/// Counts an offer that was not accepted.
///
/// # Errors
/// What the database says.
pub async fn count_no(conn: &mut Conn, ids: &[RiderId]) -> Result<(), Refusal> {
    diesel::update(riders::table.filter(riders::id.eq_any(ids)))
        .set(riders::offers_answered.eq(riders::offers_answered + 1))
        .prepared()
        .execute(conn)
        .await?;
    Ok(())
}
