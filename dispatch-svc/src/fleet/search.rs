//! Who is near: ring by ring, until the wanted number is nearer than what the rings cover.

use std::collections::HashMap;

use chrono::Utc;
use h3o::CellIndex;
use pannier_contracts::{Place, RiderId};
use uuid::Uuid;

use super::cells;
use super::redis::{Away, Fleet};

/// Fixes older than this say nothing, milliseconds.
const FRESH_MS: i64 = 60_000;
/// Fixes older than this are swept out by whoever meets them, milliseconds.
const FORGOTTEN_MS: i64 = 600_000;
/// Riders of one cell that are looked at, at most.
const PER_CELL: usize = 1_000;

/// A rider as Redis knows them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Who.
    pub rider: RiderId,
    /// Where.
    pub place: Place,
    /// When they were last heard of, milliseconds since 1970.
    pub seen_ms: i64,
}

/// One member of a GEO answer: name, distance in metres, (longitude, latitude).
type Near = (String, f64, (f64, f64));

impl Fleet {
    /// The riders within `radius_m` of a place, nearest first, at least `wanted` of those that `counts` if there are so many.
    /// Nobody found means: unknown.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn near(
        &self,
        centre: &Place,
        radius_m: f64,
        wanted: usize,
        counts: impl Fn(RiderId) -> bool,
    ) -> Result<Vec<Found>, Away> {
        let home = cells::of(centre);
        let mut found: HashMap<RiderId, Found> = HashMap::new();
        let mut k = 0;
        loop {
            // The first look takes the middle and its neighbours at once: the middle alone covers nothing.
            let ring =
                if k == 0 { [cells::ring(home, 0), cells::ring(home, 1)].concat() } else { cells::ring(home, k) };
            k = k.max(1);
            for near in self.in_cells(centre, radius_m, &ring).await? {
                let newest = found.entry(near.rider).or_insert(near);
                if newest.seen_ms < near.seen_ms {
                    *newest = near;
                }
            }
            let covered_m = cells::covered_m(home, k);
            let near_enough =
                found.values().filter(|f| f.place.distance_m(centre) <= covered_m && counts(f.rider)).count();
            if covered_m >= radius_m || near_enough >= wanted {
                break;
            }
            k += 1;
        }
        let mut found: Vec<Found> = found.into_values().collect();
        found.sort_by(|a, b| {
            a.place.distance_m(centre).total_cmp(&b.place.distance_m(centre)).then_with(|| a.rider.cmp(&b.rider))
        });
        Ok(found)
    }

    async fn in_cells(&self, centre: &Place, radius_m: f64, cells: &[CellIndex]) -> Result<Vec<Found>, Away> {
        let mut pipe = redis::pipe();
        for cell in cells {
            pipe.cmd("GEOSEARCH")
                .arg(self.keys.geo(*cell))
                .arg("FROMLONLAT")
                .arg(centre.lng())
                .arg(centre.lat())
                .arg("BYRADIUS")
                .arg(radius_m)
                .arg("m")
                .arg("ASC")
                .arg("COUNT")
                .arg(PER_CELL)
                .arg("WITHDIST")
                .arg("WITHCOORD");
        }
        let answers: Vec<Vec<Near>> = self.run(&pipe).await?;
        let full: Vec<(CellIndex, Vec<Near>)> =
            cells.iter().copied().zip(answers).filter(|(_, members)| !members.is_empty()).collect();
        if full.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for (cell, members) in &full {
            pipe.cmd("ZMSCORE").arg(self.keys.seen(*cell));
            for (id, ..) in members {
                pipe.arg(id);
            }
        }
        let scores: Vec<Vec<Option<f64>>> = self.run(&pipe).await?;
        let now_ms = Utc::now().timestamp_millis();
        let (mut found, mut old) = (Vec::new(), redis::pipe());
        for ((cell, members), scores) in full.iter().zip(scores) {
            for ((id, _, (lng, lat)), seen) in members.iter().zip(scores) {
                // Milliseconds since 1970 are whole numbers far below 2^53.
                let seen_ms = seen.unwrap_or(0.0) as i64;
                if now_ms - seen_ms > FORGOTTEN_MS {
                    self.remove_from(&mut old, *cell, id);
                }
                let (Ok(rider), Ok(place)) = (Uuid::try_parse(id), Place::new(*lat, *lng)) else { continue };
                if now_ms - seen_ms <= FRESH_MS {
                    found.push(Found { rider: RiderId(rider), place, seen_ms });
                }
            }
        }
        if !old.is_empty() {
            self.run::<()>(&old).await?;
        }
        Ok(found)
    }
}
