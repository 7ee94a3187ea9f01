//! Copies of zones, as dispatch-svc publishes them. Every quote needs a zone, and zones are few and change rarely, so
//! they are also cached in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use pannier_contracts::zone::{Policy, ZoneSnapshot};
use pannier_contracts::{Place, Version, ZoneId};
use pannier_platform::{Conn, Json, Refusal};

use super::schema::zones;
use crate::domain::zones::{Zone, zone_at};

/// A zone's row.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = zones)]
struct Row {
    id: ZoneId,
    version: Version,
    polygon: Json<Vec<Place>>,
    policy: Json<Policy>,
}

/// Stores a zone, unless the stored version is at least as new.
pub async fn upsert(conn: &mut Conn, zone: &ZoneSnapshot) -> Result<(), Refusal> {
    let upsert = diesel::insert_into(zones::table)
        .values((
            zones::id.eq(&zone.id),
            zones::version.eq(zone.version),
            zones::polygon.eq(Json(&zone.polygon)),
            zones::policy.eq(Json(&zone.policy)),
        ))
        .on_conflict(zones::id)
        .do_update()
        .set((
            zones::version.eq(excluded(zones::version)),
            zones::polygon.eq(excluded(zones::polygon)),
            zones::policy.eq(excluded(zones::policy)),
        ));
    diesel::query_dsl::methods::FilterDsl::filter(upsert, zones::version.lt(excluded(zones::version)))
        .execute(conn)
        .await?;
    Ok(())
}

/// The age at which the cached versions are compared with the table again.
const MAX_AGE: Duration = Duration::from_secs(1);

/// The zones by id, each with the version that it was read at.
type ById = BTreeMap<ZoneId, (Version, Arc<Zone>)>;

/// The zones in memory, at most `MAX_AGE` behind the table. Only zones whose version has changed are read again.
#[derive(Debug, Default)]
pub struct ZoneCache(Mutex<Option<(Instant, Arc<ById>)>>);

impl ZoneCache {
    /// The zone that contains a place. Where zones overlap, the smallest.
    pub async fn at(&self, conn: &mut Conn, place: &Place) -> Result<Option<Arc<Zone>>, Refusal> {
        let zones = self.fresh(conn).await?;
        let found = zone_at(zones.values().map(|(_, zone)| &**zone), place);
        Ok(found.and_then(|zone| zones.get(&zone.id)).map(|(_, zone)| Arc::clone(zone)))
    }

    async fn fresh(&self, conn: &mut Conn) -> Result<Arc<ById>, Refusal> {
        let cached = self.lock().clone();
        let mut by_id = match cached {
            Some((read_at, by_id)) if read_at.elapsed() < MAX_AGE => return Ok(by_id),
            Some((_, by_id)) => (*by_id).clone(),
            None => ById::new(),
        };
        let read_at = Instant::now();
        let versions: BTreeMap<ZoneId, Version> =
            zones::table.select((zones::id, zones::version)).load(conn).await?.into_iter().collect();
        by_id.retain(|id, (version, _)| versions.get(id) == Some(version));
        let missing: Vec<&ZoneId> = versions.keys().filter(|id| !by_id.contains_key(id)).collect();
        if !missing.is_empty() {
            let rows: Vec<Row> =
                zones::table.filter(zones::id.eq_any(missing)).select(Row::as_select()).load(conn).await?;
            for row in rows {
                let zone = Zone::new(row.id.clone(), row.polygon.0, row.policy.0);
                by_id.insert(row.id, (row.version, Arc::new(zone)));
            }
        }
        let by_id = Arc::new(by_id);
        *self.lock() = Some((read_at, Arc::clone(&by_id)));
        Ok(by_id)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, Arc<ById>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
