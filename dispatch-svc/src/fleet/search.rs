//! Who is near: within the reach that usually suffices, doubled until the wanted number is nearer than what was looked at.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

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
/// How far the very first look reaches, metres, and the least that any does.
const FIRST_M: f64 = 500.0;
const LEAST_M: f64 = 100.0;
/// The usual reach goes so far beyond the last one who was wanted: the next shop's riders are a little farther.
const BEYOND: f64 = 1.3;
/// Riders of one cell that a look reads at first, and how many times more the next one reads where there were more.
const PER_CELL: usize = 64;
const MORE: usize = 4;

/// A rider as Redis knows them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Who.
    pub rider: RiderId,
    /// Where.
    pub place: Place,
    /// How far from the place that was asked about, in a straight line.
    pub metres: f64,
    /// When they were last heard of, milliseconds since 1970.
    pub seen_ms: i64,
}

/// How far lately had to be looked. It only saves looks: a wrong one costs one more, or some that were too many.
#[derive(Debug)]
pub(super) struct UsualReach(AtomicU64);

impl Default for UsualReach {
    fn default() -> Self {
        Self(AtomicU64::new(FIRST_M.to_bits()))
    }
}

impl UsualReach {
    fn metres(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    /// Half way to what was needed, as reaches go: a far corner does not spoil it for the middle of the city.
    fn learn(&self, needed_m: f64) {
        let usual_m = (self.metres() * needed_m.max(LEAST_M)).sqrt();
        self.0.store(usual_m.to_bits(), Ordering::Relaxed);
    }
}

/// What one look saw.
struct Looked {
    /// Nearest first.
    found: Vec<Found>,
    /// Nobody nearer than this is missing.
    complete_m: f64,
}

/// One member of a GEO answer: name, distance in metres, (longitude, latitude).
type Near = (String, f64, (f64, f64));

impl Fleet {
    /// Riders within `radius_m` of a place, nearest first: all up to the `wanted`th of those that `counts`, and perhaps
    /// some behind. Nobody found means: unknown.
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
        let (mut reach_m, mut per_cell) = (self.usual_reach.metres().min(radius_m), PER_CELL);
        loop {
            let looked = self.look(centre, reach_m, per_cell).await?;
            let mut near_enough = looked.found.iter().filter(|f| f.metres <= looked.complete_m && counts(f.rider));
            let last_wanted = near_enough.nth(wanted.saturating_sub(1));
            if last_wanted.is_some() || looked.complete_m >= radius_m {
                self.usual_reach.learn(last_wanted.map_or(radius_m, |f| f.metres * BEYOND));
                return Ok(looked.found);
            }
            if looked.complete_m < reach_m {
                per_cell *= MORE;
            } else {
                reach_m = (reach_m * 2.0).min(radius_m);
            }
        }
    }

    /// One look: the nearest `per_cell` of each cell.
    async fn look(&self, centre: &Place, reach_m: f64, per_cell: usize) -> Result<Looked, Away> {
        let cells = cells::within(centre, reach_m);
        let mut pipe = redis::pipe();
        for cell in &cells {
            pipe.cmd("GEOSEARCH")
                .arg(self.keys.geo(*cell))
                .arg("FROMLONLAT")
                .arg(centre.lng())
                .arg(centre.lat())
                .arg("BYRADIUS")
                .arg(reach_m)
                .arg("m")
                .arg("ASC")
                .arg("COUNT")
                .arg(per_cell)
                .arg("WITHDIST")
                .arg("WITHCOORD");
        }
        let answers: Vec<Vec<Near>> = self.run(&pipe).await?;
        let full: Vec<(CellIndex, Vec<Near>)> =
            cells.into_iter().zip(answers).filter(|(_, members)| !members.is_empty()).collect();
        // Where a cell had more than were read, nothing is known behind the last of them.
        let cut =
            full.iter().filter(|(_, members)| members.len() >= per_cell).filter_map(|(_, members)| members.last());
        let complete_m = cut.map(|(_, metres, _)| *metres).fold(reach_m, f64::min);
        let mut found = self.fresh(full).await?;
        found.sort_by(|a, b| a.metres.total_cmp(&b.metres).then_with(|| a.rider.cmp(&b.rider)));
        Ok(Looked { found, complete_m })
    }

    /// Those of them who were heard of lately, by their newest fix. Sweeps out who was not for long.
    async fn fresh(&self, full: Vec<(CellIndex, Vec<Near>)>) -> Result<Vec<Found>, Away> {
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
        let (mut found, mut old) = (HashMap::new(), redis::pipe());
        for ((cell, members), scores) in full.iter().zip(scores) {
            for ((id, metres, (lng, lat)), seen) in members.iter().zip(scores) {
                // Milliseconds since 1970 are whole numbers far below 2^53.
                let seen_ms = seen.unwrap_or(0.0) as i64;
                if now_ms - seen_ms > FORGOTTEN_MS {
                    self.remove_from(&mut old, *cell, id);
                }
                let (Ok(rider), Ok(place)) = (Uuid::try_parse(id), Place::new(*lat, *lng)) else { continue };
                if now_ms - seen_ms <= FRESH_MS {
                    // Who rides from one cell into another is in both for a moment.
                    let near = Found { rider: RiderId(rider), place, metres: *metres, seen_ms };
                    let newest = found.entry(near.rider).or_insert(near);
                    if newest.seen_ms < near.seen_ms {
                        *newest = near;
                    }
                }
            }
        }
        if !old.is_empty() {
            self.run::<()>(&old).await?;
        }
        Ok(found.into_values().collect())
    }
}
