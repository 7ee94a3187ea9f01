//! The connection, and what is written through it.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::Utc;
use h3o::CellIndex;
use pannier_contracts::{Place, RiderId};
use pannier_platform::Namespace;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Pipeline, RedisError, Script};

use super::cells;
use super::keys::Keys;
use super::search::UsualReach;

/// The longest that Redis may take for anything: slower, and it counts as away.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long it is not asked again after it did not answer.
const REST_MS: i64 = 1_000;
/// A rider's hash lives so long after the last ping, seconds.
const RIDER_TTL_S: i64 = 300;
/// A cell's keys live so long after the last ping in it, seconds.
const CELL_TTL_S: i64 = 3_600;

/// Takes a ping if its seq is newer, or if it begins a session; answers the cell that the rider was in, nil for an old ping.
const TAKE: &str = "local was = redis.call('HMGET', KEYS[1], 'seq', 'cell')
if ARGV[3] ~= '1' and was[1] and tonumber(was[1]) >= tonumber(ARGV[1]) then return nil end
redis.call('HSET', KEYS[1], 'seq', ARGV[1], 'cell', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return was[2] or ''";

/// Why Redis was of no use.
#[derive(Debug, thiserror::Error)]
pub enum Away {
    /// It did not answer in time.
    #[error("Redis does not answer")]
    Silent,
    /// It did not answer a moment ago; it is not asked for a second.
    #[error("Redis did not answer a moment ago")]
    Resting,
    /// It said no.
    #[error(transparent)]
    Refused(#[from] RedisError),
}

/// One position to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// Whose.
    pub rider: RiderId,
    /// The app's count: the higher is the newer.
    pub seq: i64,
    /// Where.
    pub place: Place,
    /// When it reached us, milliseconds since 1970.
    pub seen_ms: i64,
    /// The first of a session: whatever came before is older.
    pub begins: bool,
}

/// The fleet's positions.
#[derive(Clone)]
pub struct Fleet {
    manager: ConnectionManager,
    take: Arc<Script>,
    pub(super) usual_reach: Arc<UsualReach>,
    pub(super) keys: Keys,
    /// Until when Redis is left alone, milliseconds since 1970. Shared by all clones.
    resting_until_ms: Arc<AtomicI64>,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Fleet").field(&self.keys).finish()
    }
}

impl Fleet {
    /// Prepares the connection; made when first needed, and again whenever it breaks.
    ///
    /// # Errors
    /// When the URL is of no use.
    pub fn new(url: &str, namespace: Namespace) -> anyhow::Result<Self> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            // Few and short: each use tries again anyway.
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_millis(200));
        let manager = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        let take = Arc::new(Script::new(TAKE));
        Ok(Self {
            manager,
            take,
            usual_reach: Arc::default(),
            keys: Keys::new(namespace),
            resting_until_ms: Arc::default(),
        })
    }

    /// Runs one pipeline, in time.
    ///
    /// # Errors
    /// [`Away`].
    pub(super) async fn run<T: redis::FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, Away> {
        if Utc::now().timestamp_millis() < self.resting_until_ms.load(Ordering::Relaxed) {
            return Err(Away::Resting);
        }
        let mut connection = self.manager.clone();
        let answer = in_time(pipe.query_async(&mut connection)).await;
        if let Err(e) = &answer {
            let now = Utc::now().timestamp_millis();
            self.resting_until_ms.store(now + REST_MS, Ordering::Relaxed);
            tracing::warn!(error = %e, "positions are unknown: {e}");
        }
        answer
    }

    /// Does it answer?
    pub async fn is_here(&self) -> bool {
        let mut pipe = redis::pipe();
        pipe.cmd("PING");
        self.run::<(String,)>(&pipe).await.is_ok()
    }

    /// Writes positions, one per rider. Older ones than what is known are left out.
    ///
    /// # Errors
    /// [`Away`]: the next pings bring what this one lost.
    pub async fn write(&self, fixes: &[Fix]) -> Result<(), Away> {
        if fixes.is_empty() {
            return Ok(());
        }
        let mut take = redis::pipe();
        // Once for all of them: a Redis that was started again does not know it any more.
        take.load_script(&self.take).ignore();
        for fix in fixes {
            take.invoke_script(
                self.take
                    .key(self.keys.rider(fix.rider))
                    .arg(fix.seq)
                    .arg(cells::name(cells::of(&fix.place)))
                    .arg(i32::from(fix.begins))
                    .arg(RIDER_TTL_S),
            );
        }
        let was: Vec<Option<String>> = self.run(&take).await?;
        let (mut put, mut touched) = (redis::pipe(), BTreeSet::new());
        for (fix, was) in fixes.iter().zip(was) {
            let Some(was) = was else { continue };
            let (cell, id) = (cells::of(&fix.place), member(fix.rider));
            let (geo, seen) = (self.keys.geo(cell), self.keys.seen(cell));
            put.cmd("GEOADD").arg(&geo).arg(fix.place.lng()).arg(fix.place.lat()).arg(&id).ignore();
            put.cmd("ZADD").arg(&seen).arg(fix.seen_ms).arg(&id).ignore();
            touched.extend([geo, seen]);
            // Out of the old cell after into the new one: in between they are in both, and readers take the newer fix.
            if let Some(old) = was.parse::<CellIndex>().ok().filter(|old| *old != cell) {
                self.remove_from(&mut put, old, &id);
            }
        }
        // All of them were old.
        if put.is_empty() {
            return Ok(());
        }
        for key in touched {
            put.cmd("EXPIRE").arg(key).arg(CELL_TTL_S).ignore();
        }
        self.run::<()>(&put).await
    }

    /// Takes a rider off the map.
    ///
    /// # Errors
    /// [`Away`]: they fade out by the age of their fix.
    pub async fn remove(&self, rider: RiderId) -> Result<(), Away> {
        let key = self.keys.rider(rider);
        let mut ask = redis::pipe();
        ask.cmd("HGET").arg(&key).arg("cell");
        let (cell,): (Option<String>,) = self.run(&ask).await?;
        let mut pipe = redis::pipe();
        pipe.cmd("DEL").arg(&key).ignore();
        if let Some(cell) = cell.and_then(|c| c.parse().ok()) {
            self.remove_from(&mut pipe, cell, &member(rider));
        }
        self.run::<()>(&pipe).await
    }

    pub(super) fn remove_from(&self, pipe: &mut Pipeline, cell: CellIndex, id: &str) {
        pipe.cmd("ZREM").arg(self.keys.geo(cell)).arg(id).ignore();
        pipe.cmd("ZREM").arg(self.keys.seen(cell)).arg(id).ignore();
    }
}

/// A rider's name in Redis: short.
pub(super) fn member(rider: RiderId) -> String {
    rider.0.simple().to_string()
}

async fn in_time<T>(answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, Away> {
    Ok(tokio::time::timeout(PATIENCE, answer).await.map_err(|_| Away::Silent)??)
}
