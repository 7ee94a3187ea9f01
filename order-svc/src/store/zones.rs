//! The zones that are known here, kept in memory: a quote needs one of them, and they change once in a month.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::Place;
use pannier_platform::{Conn, Refusal};

use super::schema::zones;
use crate::domain::zones::{Outline, Zone, zone_at};

/// Our copies follow dispatch-svc by events; a process is behind its own table by no more than this.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Zones by their ids, each as of a version.
type Known = BTreeMap<String, (i64, Arc<Zone>)>;

/// The zones in memory: read again after a second, and parsed only when their version is another.
#[derive(Debug, Default)]
pub struct Zones(Mutex<Option<(Instant, Arc<Known>)>>);

impl Zones {
    /// The zone that holds a place; of several, the smallest.
    ///
    /// # Errors
    /// What the database says.
    pub async fn at(&self, conn: &mut Conn, place: Place) -> Result<Option<Arc<Zone>>, Refusal> {
        let known = self.known(conn).await?;
        let found = zone_at(known.values().map(|(_, zone)| &**zone), place);
        Ok(found.and_then(|zone| known.get(zone.id.as_str())).map(|(_, zone)| Arc::clone(zone)))
    }

    async fn known(&self, conn: &mut Conn) -> Result<Arc<Known>, Refusal> {
        let before = self.lock().clone();
        let mut known = match before {
            Some((read_at, known)) if read_at.elapsed() < READ_AGAIN => return Ok(known),
            Some((_, known)) => (*known).clone(),
            None => Known::new(),
        };
        let read_at = Instant::now();
        let versions: Vec<(String, i64)> = zones::table.select((zones::id, zones::version)).load(conn).await?;
        let other = |(id, version): &&(String, i64)| known.get(id).is_none_or(|(known, _)| known != version);
        let changed: Vec<&String> = versions.iter().filter(other).map(|(id, _)| id).collect();
        if !changed.is_empty() {
            let rows: Vec<(String, i64, serde_json::Value, serde_json::Value)> =
                zones::table.filter(zones::id.eq_any(changed)).load(conn).await?;
            for (id, version, polygon, policy) in rows {
                let zone = || -> anyhow::Result<Zone> {
                    let corners: Vec<Place> = serde_json::from_value(polygon)?;
                    let outline = Outline::new(&corners);
                    Ok(Zone { id: id.parse()?, corners, outline, policy: serde_json::from_value(policy)? })
                };
                known.insert(id.clone(), (version, Arc::new(zone().map_err(Refusal::Bug)?)));
            }
        }
        known.retain(|id, _| versions.iter().any(|(there, _)| there == id));
        let known = Arc::new(known);
        *self.lock() = Some((read_at, Arc::clone(&known)));
        Ok(known)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Arc<Known>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
