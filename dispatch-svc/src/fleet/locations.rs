//! Positions on their way in: through a bounded channel, out in batches: to Redis exactly, to PostgreSQL coarsely.
//!
//! When the channel is full, new positions are dropped and the caller hears of it: the next one is better news anyway.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use pannier_contracts::{Place, RiderId};
use pannier_platform::{Cause, Db, Refusal, Stop};
use tokio::sync::mpsc;

use super::cells;
use super::redis::{Fix, Fleet};
use crate::commands::silence::mark_fresh;
use crate::store::riders::{self, Seen};

/// How often PostgreSQL hears of one rider at most.
const COARSE: Duration = Duration::from_secs(10);
/// Positions written at once.
const BATCH: usize = 512;

#[derive(Debug, Clone, PartialEq)]
enum News {
    Here(Fix),
    Gone(RiderId),
}

/// Where positions are handed in. Clones share one channel.
///
/// Which of a rider's positions is the newest is decided by Redis alone: a process that remembered would drop those of a
/// rider who had been with another process meanwhile.
#[derive(Debug, Clone)]
pub struct Locations {
    news: mpsc::Sender<News>,
}

/// The other end.
#[derive(Debug)]
pub struct Writer {
    news: mpsc::Receiver<News>,
    db: Db,
    fleet: Fleet,
    /// When PostgreSQL last heard of each rider.
    noted: HashMap<RiderId, Instant>,
}

/// A channel for `waiting` positions, and the task that empties it.
#[must_use]
pub fn channel(db: Db, fleet: Fleet, waiting: usize) -> (Locations, Writer) {
    let (sender, receiver) = mpsc::channel(waiting.max(1));
    (Locations { news: sender }, Writer { news: receiver, db, fleet, noted: HashMap::new() })
}

impl Locations {
    /// Takes a position; false when there is no room.
    #[must_use]
    pub fn take(&self, rider: RiderId, seq: i64, place: Place) -> bool {
        self.news.try_send(News::Here(Fix { rider, seq, place, seen_ms: now_ms(), begins: false })).is_ok()
    }

    /// A session begins here: the app may count from zero again.
    pub fn begin(&self, rider: RiderId, place: Place) {
        // No room is no harm: PostgreSQL has the place already, and the next ping follows.
        let _ = self.news.try_send(News::Here(Fix { rider, seq: -1, place, seen_ms: now_ms(), begins: true }));
    }

    /// A shift ends: off the map.
    pub fn end(&self, rider: RiderId) {
        // No room is no harm: they fade out by the age of their fix, and PostgreSQL says that they are offline.
        let _ = self.news.try_send(News::Gone(rider));
    }
}

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

impl Writer {
    /// Writes what comes in until `stop`.
    pub async fn run(mut self, stop: Stop) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            batch.clear();
            tokio::select! {
                () = stop.cancelled() => return,
                n = self.news.recv_many(&mut batch, BATCH) => if n == 0 { return },
            }
            let fixes = newest_of(&batch);
            // What Redis cannot take now is lost; the next pings bring it back.
            let _ = self.fleet.write(&fixes).await;
            for news in &batch {
                // Who is gone and came back within this batch is on the map again.
                if let News::Gone(rider) = news
                    && !fixes.iter().any(|f| f.rider == *rider)
                {
                    let _ = self.fleet.remove(*rider).await;
                    self.noted.remove(rider);
                }
            }
            if let Err(refusal) = self.note(&fixes).await {
                tracing::warn!(error = ?refusal, "coarse positions cannot be written; the next ones will be");
            }
        }
    }

    async fn note(&mut self, fixes: &[Fix]) -> Result<(), Refusal> {
        let due: Vec<Seen> = fixes
            .iter()
            .filter(|f| self.noted.get(&f.rider).is_none_or(|at| at.elapsed() >= COARSE))
            .map(|f| Seen { rider: f.rider, place: f.place, cell: cells::name(cells::of(&f.place)) })
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        let noted: Vec<RiderId> = due.iter().map(|s| s.rider).collect();
        let heard_again = self
            .db
            .transaction(move |conn| {
                let due = due.clone();
                async move { riders::note_seen(conn, &due).await }.boxed()
            })
            .await?;
        let now = Instant::now();
        self.noted.extend(noted.into_iter().map(|rider| (rider, now)));
        for rider in heard_again {
            self.db
                .transaction(move |conn| async move { mark_fresh(conn, &Cause::of("rider:ping"), rider).await }.boxed())
                .await?;
        }
        Ok(())
    }
}

/// The newest position of each rider. A session's beginning counts as older than everything that follows it.
fn newest_of(batch: &[News]) -> Vec<Fix> {
    let mut newest: HashMap<RiderId, Fix> = HashMap::new();
    for news in batch {
        match news {
            News::Here(fix) => {
                let begins = fix.begins || newest.get(&fix.rider).is_some_and(|f| f.begins);
                if fix.begins || newest.get(&fix.rider).is_none_or(|f| f.seq < fix.seq) {
                    newest.insert(fix.rider, Fix { begins, ..fix.clone() });
                }
            }
            News::Gone(rider) => drop(newest.remove(rider)),
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
        let here = |rider, seq, begins| News::Here(Fix { rider, seq, place, seen_ms: 0, begins });
        let shown = |batch: &[News]| {
            let mut fixes: Vec<_> = newest_of(batch).into_iter().map(|f| (f.rider, f.seq, f.begins)).collect();
            fixes.sort();
            fixes
        };
        assert_eq!(shown(&[here(a, 2, false), here(a, 1, false), here(b, 7, false)]), [(a, 2, false), (b, 7, false)]);
        assert_eq!(shown(&[here(a, 9, false), here(a, -1, true), here(a, 0, false)]), [(a, 0, true)]);
        assert_eq!(shown(&[here(a, 9, false), News::Gone(a)]), []);
        assert_eq!(shown(&[News::Gone(a), here(a, -1, true)]), [(a, -1, true)]);
    }
}
