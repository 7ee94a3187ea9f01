//! Where and when riders were last seen, to within ten seconds. Exact positions are in Redis.

use diesel::dsl::IntervalDsl as _;
use diesel::prelude::*;
use diesel::sql_types::{Array, Jsonb, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::rider::RiderStatus;
use pannier_contracts::{Place, RiderId};
use pannier_platform::db::functions::{clock_timestamp, statement_timestamp, subtract_interval};
use pannier_platform::{Conn, Prepare as _, Refusal};

use crate::store::literal::offline;
use crate::store::schema::riders;

/// A rider's position to be recorded.
#[derive(Debug, Clone)]
pub struct CoarsePosition {
    /// The rider.
    pub rider: RiderId,
    /// Where they are.
    pub place: Place,
    /// The H3 cell of the place: see [`crate::domain::cells`].
    pub cell: String,
}

/// Records where riders on shift are, and returns those who were stale. Rows that another transaction has locked are
/// skipped; the next position comes soon. No new version: no snapshot shows it.
pub async fn record(conn: &mut Conn, positions: &[CoarsePosition]) -> Result<Vec<RiderId>, Refusal> {
    #[derive(QueryableByName)]
    #[diesel(table_name = riders)]
    struct Stale {
        id: RiderId,
    }
    // Raw: locked rows are skipped, and each of the others is set to values of its own.
    let stale: Vec<Stale> = diesel::sql_query(format!(
        "WITH given AS (SELECT * FROM unnest($1, $2, $3) AS g (id, place, cell)),
              free AS (SELECT r.id, r.stale FROM riders r JOIN given USING (id)
                       WHERE r.status <> '{offline}' ORDER BY r.id FOR NO KEY UPDATE OF r SKIP LOCKED),
              recorded AS (UPDATE riders r SET last_seen_at = clock_timestamp(), last_place = g.place, cell = g.cell
                           FROM given g JOIN free USING (id) WHERE r.id = g.id)
         SELECT id FROM free WHERE stale",
        offline = RiderStatus::Offline,
    ))
    .bind::<Array<SqlUuid>, _>(positions.iter().map(|p| p.rider).collect::<Vec<_>>())
    .bind::<Array<Jsonb>, _>(positions.iter().map(|p| p.place).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(positions.iter().map(|p| p.cell.as_str()).collect::<Vec<_>>())
    .prepared()
    .load(conn)
    .await?;
    Ok(stale.into_iter().map(|row| row.id).collect())
}

/// Records where a rider is, waiting for the row's lock. No new version: no snapshot shows it.
pub async fn set_place(conn: &mut Conn, id: RiderId, place: Place, cell: &str) -> Result<(), Refusal> {
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

/// Is a rider on shift and has not been seen for `seconds`?
pub async fn is_silent(conn: &mut Conn, id: RiderId, seconds: i64) -> Result<bool, Refusal> {
    Ok(silent(conn, seconds, Some(id)).await?.contains(&id))
}

/// Riders on shift who have not been seen for `seconds`, by id; only `one` of them if given.
pub async fn silent(conn: &mut Conn, seconds: i64, one: Option<RiderId>) -> Result<Vec<RiderId>, Refusal> {
    let since = subtract_interval(statement_timestamp(), seconds.seconds());
    let mut query = riders::table
        .filter(riders::status.ne(offline()))
        .filter(riders::last_seen_at.is_null().or(riders::last_seen_at.lt(since.nullable())))
        .order(riders::id)
        .select(riders::id)
        .into_boxed();
    if let Some(one) = one {
        query = query.filter(riders::id.eq(one));
    }
    Ok(query.prepared().load(conn).await?)
}
