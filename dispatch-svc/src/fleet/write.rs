//! Writing positions.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use h3o::CellIndex;
use pannier_contracts::{Place, RiderId};
use redis::{Pipeline, Script};

use super::connection::{Fleet, Unavailable};
use crate::domain::cells;

/// A rider's hash expires so long after their last position, seconds.
const RIDER_TTL_S: i64 = 300;
/// A cell's keys expire so long after the last position in it, seconds.
const CELL_TTL_S: i64 = 3_600;

/// Accepts a position if its `seq` is the newest, or if it begins a session. Answers the cell that the rider was in; nil for
/// an older position.
static ACCEPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local was = redis.call('HMGET', KEYS[1], 'seq', 'cell')
if ARGV[3] ~= '1' and was[1] and tonumber(was[1]) >= tonumber(ARGV[1]) then return nil end
redis.call('HSET', KEYS[1], 'seq', ARGV[1], 'cell', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return was[2] or ''",
    )
});

/// A rider's position.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// The rider.
    pub rider: RiderId,
    /// The app's counter: the newest position has the highest.
    pub seq: i64,
    /// Where they are.
    pub place: Place,
    /// When it reached this service, milliseconds since 1970.
    pub seen_ms: i64,
    /// Is it the first of a session, and so newer than all before it, whatever their `seq`?
    pub begins: bool,
}

impl Fleet {
    /// Writes positions, at most one per rider. Those that are older than what is known are ignored.
    ///
    /// # Errors
    /// [`Unavailable`]: they are lost, and the next ones replace them.
    pub async fn write(&self, fixes: &[Fix]) -> Result<(), Unavailable> {
        if fixes.is_empty() {
            return Ok(());
        }
        let mut accept = redis::pipe();
        // Loaded with each pipeline: a Redis that was restarted has forgotten it.
        accept.load_script(&ACCEPT).ignore();
        for fix in fixes {
            accept.invoke_script(
                ACCEPT
                    .key(self.keys.rider(fix.rider))
                    .arg(fix.seq)
                    .arg(cells::name(cells::of(&fix.place)))
                    .arg(i32::from(fix.begins))
                    .arg(RIDER_TTL_S),
            );
        }
        let was: Vec<Option<String>> = self.run(&accept).await?;
        let (mut put, mut touched) = (redis::pipe(), BTreeSet::new());
        for (fix, was) in fixes.iter().zip(was) {
            let Some(was) = was else { continue };
            let (cell, id) = (cells::of(&fix.place), member(fix.rider));
            let (geo, seen) = (self.keys.geo(cell), self.keys.seen(cell));
            put.cmd("GEOADD").arg(&geo).arg(fix.place.lng()).arg(fix.place.lat()).arg(&id).ignore();
            put.cmd("ZADD").arg(&seen).arg(fix.seen_ms).arg(&id).ignore();
            touched.extend([geo, seen]);
            // Removed from the old cell last: for a moment they are in both, and readers take the newer position.
            if let Some(old) = was.parse::<CellIndex>().ok().filter(|old| *old != cell) {
                self.remove_from_cell(&mut put, old, &id);
            }
        }
        if put.is_empty() {
            return Ok(());
        }
        for key in touched {
            put.cmd("EXPIRE").arg(key).arg(CELL_TTL_S).ignore();
        }
        self.run::<()>(&put).await
    }

    /// Removes a rider's position.
    ///
    /// # Errors
    /// [`Unavailable`]: it stays until it is too old to count.
    pub async fn remove(&self, rider: RiderId) -> Result<(), Unavailable> {
        let key = self.keys.rider(rider);
        let mut ask = redis::pipe();
        ask.cmd("HGET").arg(&key).arg("cell");
        let (cell,): (Option<String>,) = self.run(&ask).await?;
        let mut pipe = redis::pipe();
        pipe.cmd("DEL").arg(&key).ignore();
        if let Some(cell) = cell.and_then(|c| c.parse().ok()) {
            self.remove_from_cell(&mut pipe, cell, &member(rider));
        }
        self.run::<()>(&pipe).await
    }

    pub(super) fn remove_from_cell(&self, pipe: &mut Pipeline, cell: CellIndex, member: &str) {
        pipe.cmd("ZREM").arg(self.keys.geo(cell)).arg(member).ignore();
        pipe.cmd("ZREM").arg(self.keys.seen(cell)).arg(member).ignore();
    }
}

/// A rider as a member of a cell's sets: the id without prefix and hyphens, because there are many.
fn member(rider: RiderId) -> String {
    rider.0.simple().to_string()
}
