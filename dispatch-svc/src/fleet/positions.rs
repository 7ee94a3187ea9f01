//! Takes in positions: a bounded queue, and a task that writes them in batches, exactly to Redis and coarsely to PostgreSQL.
//!
//! When the queue is full, a position is rejected and the caller is told: the next one replaces it anyway.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use pannier_contracts::{Place, RiderId};
use pannier_platform::{Cause, Db, Refusal, Stop};
use tokio::sync::mpsc;

use super::connection::Fleet;
use super::write::Fix;
use crate::commands::silent_riders::mark_fresh;
use crate::domain::cells;
use crate::store::riders::{self, CoarsePosition};

/// The shortest time between two writes of one rider to PostgreSQL.
const COARSE_EVERY: Duration = Duration::from_secs(10);
/// The most positions that are written at once.
const BATCH: usize = 512;

#[derive(Debug, Clone, PartialEq)]
enum PositionUpdate {
    Fix(Fix),
    /// The rider ended their shift.
    Remove(RiderId),
}

/// The queue of positions. Clones share it.
///
/// It does not check which of a rider's positions is the newest: only Redis knows those that other processes took in.
#[derive(Debug, Clone)]
pub struct PositionQueue {
    updates: mpsc::Sender<PositionUpdate>,
}

/// The task that writes positions.
#[derive(Debug)]
pub struct PositionWriter {
    updates: mpsc::Receiver<PositionUpdate>,
    db: Db,
    fleet: Fleet,
    /// When each rider was last written to PostgreSQL.
    written: HashMap<RiderId, Instant>,
}

/// A queue for `waiting` positions, and the task that empties it.
#[must_use]
pub fn channel(db: Db, fleet: Fleet, waiting: usize) -> (PositionQueue, PositionWriter) {
    let (sender, receiver) = mpsc::channel(waiting.max(1));
    (PositionQueue { updates: sender }, PositionWriter { updates: receiver, db, fleet, written: HashMap::new() })
}

impl PositionQueue {
    /// Takes a position; false when the queue is full.
    #[must_use]
    pub fn push(&self, rider: RiderId, seq: i64, place: Place) -> bool {
        self.updates.try_send(PositionUpdate::Fix(Fix { rider, seq, place, seen_ms: now_ms(), begins: false })).is_ok()
    }

    /// Begins a session: the app may count from zero again.
    pub fn begin_session(&self, rider: RiderId, place: Place) {
        // Harmless when the queue is full: PostgreSQL has the place already, and the next position follows.
        let _ =
            self.updates.try_send(PositionUpdate::Fix(Fix { rider, seq: -1, place, seen_ms: now_ms(), begins: true }));
    }

    /// Removes a rider who ended their shift.
    pub fn remove(&self, rider: RiderId) {
        // Harmless when the queue is full: the position becomes too old, and PostgreSQL knows that they are offline.
        let _ = self.updates.try_send(PositionUpdate::Remove(rider));
    }
}

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

impl PositionWriter {
    /// Writes positions until `stop`.
    pub async fn run(mut self, stop: Stop) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            batch.clear();
            tokio::select! {
                () = stop.cancelled() => return,
                n = self.updates.recv_many(&mut batch, BATCH) => if n == 0 { return },
            }
            let fixes = newest_of(&batch);
            // What Redis cannot take now is lost; the next positions replace it.
            let _ = self.fleet.write(&fixes).await;
            for update in &batch {
                // A rider who was removed and began a session within this batch has a position again.
                if let PositionUpdate::Remove(rider) = update
                    && !fixes.iter().any(|f| f.rider == *rider)
                {
                    let _ = self.fleet.remove(*rider).await;
                    self.written.remove(rider);
                }
            }
            if let Err(refusal) = self.write_coarse(&fixes).await {
                tracing::warn!(error = ?refusal, "coarse positions cannot be written; the next ones will be");
            }
        }
    }

    async fn write_coarse(&mut self, fixes: &[Fix]) -> Result<(), Refusal> {
        let due: Vec<CoarsePosition> = fixes
            .iter()
            .filter(|f| self.written.get(&f.rider).is_none_or(|at| at.elapsed() >= COARSE_EVERY))
            .map(|f| CoarsePosition { rider: f.rider, place: f.place, cell: cells::name(cells::of(&f.place)) })
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        let riders: Vec<RiderId> = due.iter().map(|s| s.rider).collect();
        let stale = self
            .db
            .transaction(move |conn| {
                let due = due.clone();
                async move { riders::record(conn, &due).await }.boxed()
            })
            .await?;
        let now = Instant::now();
        self.written.extend(riders.into_iter().map(|rider| (rider, now)));
        for rider in stale {
            self.db
                .transaction(move |conn| async move { mark_fresh(conn, &Cause::of("rider:ping"), rider).await }.boxed())
                .await?;
        }
        Ok(())
    }
}

/// The newest position of each rider. The first one of a session is older than everything that follows it.
fn newest_of(batch: &[PositionUpdate]) -> Vec<Fix> {
    let mut newest: HashMap<RiderId, Fix> = HashMap::new();
    for update in batch {
        match update {
            PositionUpdate::Fix(fix) => {
                let begins = fix.begins || newest.get(&fix.rider).is_some_and(|f| f.begins);
                if fix.begins || newest.get(&fix.rider).is_none_or(|f| f.seq < fix.seq) {
                    newest.insert(fix.rider, Fix { begins, ..fix.clone() });
                }
            }
            PositionUpdate::Remove(rider) => drop(newest.remove(rider)),
        }
    }
    newest.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fix_per_rider_the_newest() {
        let (a, b) = (RiderId::generate(), RiderId::generate());
        let place = Place::new(52.5, 13.4).unwrap();
        let here = |rider, seq, begins| PositionUpdate::Fix(Fix { rider, seq, place, seen_ms: 0, begins });
        let shown = |batch: &[PositionUpdate]| {
            let mut fixes: Vec<_> = newest_of(batch).into_iter().map(|f| (f.rider, f.seq, f.begins)).collect();
            fixes.sort();
            fixes
        };
        assert_eq!(shown(&[here(a, 2, false), here(a, 1, false), here(b, 7, false)]), [(a, 2, false), (b, 7, false)]);
        assert_eq!(shown(&[here(a, 9, false), here(a, -1, true), here(a, 0, false)]), [(a, 0, true)]);
        assert_eq!(shown(&[here(a, 9, false), PositionUpdate::Remove(a)]), []);
        assert_eq!(shown(&[PositionUpdate::Remove(a), here(a, -1, true)]), [(a, -1, true)]);
    }
}
