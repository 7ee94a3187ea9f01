//! Finds riders near a place. A search begins with the radius that recent searches needed and doubles it until enough
//! riders are found.

use std::collections::HashMap;

use chrono::Utc;
use h3o::CellIndex;
use pannier_contracts::{Place, RiderId};
use uuid::Uuid;

use super::connection::{Fleet, Unavailable};
use crate::domain::cells;

/// The age up to which a position counts, milliseconds.
const FRESH_MS: i64 = 60_000;
/// The age after which a search removes a position from Redis, milliseconds.
const REMOVED_AFTER_MS: i64 = 600_000;
/// The usual reach is learnt from the distance of the last rider wanted, times this: riders may be farther from the
/// next shop.
const REACH_MARGIN: f64 = 1.3;
/// Riders that the first scan reads per cell.
const PER_CELL: usize = 64;
/// How many times more the next scan reads per cell, if a cell had more.
const PER_CELL_GROWTH: usize = 4;

/// A rider near a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearbyRider {
    /// The rider.
    pub rider: RiderId,
    /// Their last position.
    pub place: Place,
    /// The distance from the place in a straight line, metres.
    pub metres: f64,
    /// When their position reached this service, milliseconds since 1970.
    pub seen_ms: i64,
}

/// What one scan found.
struct Scan {
    /// Nearest first.
    found: Vec<NearbyRider>,
    /// The distance up to which `found` has every rider, metres.
    complete_m: f64,
}

/// One entry of the answer to GEOSEARCH: member, distance in metres, (longitude, latitude).
type GeoEntry = (String, f64, (f64, f64));

impl Fleet {
    /// Riders within `radius_m` of a place, nearest first. The list is complete up to the `wanted`th rider for whom
    /// `counts` holds, and may have some beyond.
    ///
    /// # Errors
    /// [`Unavailable`] when Redis does not answer.
    pub async fn near(
        &self,
        centre: &Place,
        radius_m: f64,
        wanted: usize,
        counts: impl Fn(RiderId) -> bool,
    ) -> Result<Vec<NearbyRider>, Unavailable> {
        let (mut reach_m, mut per_cell) = (self.usual_reach.metres().min(radius_m), PER_CELL);
        loop {
            let scan = self.scan(centre, reach_m, per_cell).await?;
            let mut near_enough = scan.found.iter().filter(|f| f.metres <= scan.complete_m && counts(f.rider));
            let last_wanted = near_enough.nth(wanted.saturating_sub(1));
            if last_wanted.is_some() || scan.complete_m >= radius_m {
                self.usual_reach.learn(last_wanted.map_or(radius_m, |f| f.metres * REACH_MARGIN));
                return Ok(scan.found);
            }
            if scan.complete_m < reach_m {
                per_cell *= PER_CELL_GROWTH;
            } else {
                reach_m = (reach_m * 2.0).min(radius_m);
            }
        }
    }

    /// Reads the nearest `per_cell` riders of each cell within reach.
    async fn scan(&self, centre: &Place, reach_m: f64, per_cell: usize) -> Result<Scan, Unavailable> {
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
        let answers: Vec<Vec<GeoEntry>> = self.run(&pipe).await?;
        let full: Vec<(CellIndex, Vec<GeoEntry>)> =
            cells.into_iter().zip(answers).filter(|(_, members)| !members.is_empty()).collect();
        // A cell that returned `per_cell` riders may have more: it is complete only up to the last one read.
        let cut =
            full.iter().filter(|(_, members)| members.len() >= per_cell).filter_map(|(_, members)| members.last());
        let complete_m = cut.map(|(_, metres, _)| *metres).fold(reach_m, f64::min);
        let mut found = self.fresh(full).await?;
        found.sort_by(|a, b| a.metres.total_cmp(&b.metres).then_with(|| a.rider.cmp(&b.rider)));
        Ok(Scan { found, complete_m })
    }

    /// The riders with a fresh position, each once, with the newest. Removes old positions from Redis.
    async fn fresh(&self, full: Vec<(CellIndex, Vec<GeoEntry>)>) -> Result<Vec<NearbyRider>, Unavailable> {
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
                if now_ms - seen_ms > REMOVED_AFTER_MS {
                    self.remove_from_cell(&mut old, *cell, id);
                }
                let (Ok(rider), Ok(place)) = (Uuid::try_parse(id), Place::new(*lat, *lng)) else { continue };
                if now_ms - seen_ms <= FRESH_MS {
                    // A rider who moves from one cell into another is in both for a moment.
                    let near = NearbyRider { rider: RiderId(rider), place, metres: *metres, seen_ms };
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
