//! The connection to Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::Utc;
use pannier_platform::Namespace;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Pipeline, RedisError};

use super::keys::Keys;
use super::reach::UsualReach;

/// The longest that Redis may take to connect or to answer.
const TIMEOUT: Duration = Duration::from_millis(500);
/// After a failure Redis is not asked again for so long, milliseconds.
const PAUSE_MS: i64 = 1_000;

/// Why Redis gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// It did not answer in time.
    #[error("Redis does not answer")]
    Timeout,
    /// It failed less than a second ago, and was not asked.
    #[error("Redis failed a moment ago, and is not asked")]
    Paused,
    /// The connection failed, or Redis rejected a command.
    #[error(transparent)]
    Failed(#[from] RedisError),
}

/// The positions of the fleet. Clones share one connection.
#[derive(Clone)]
pub struct Fleet {
    manager: ConnectionManager,
    /// How far searches usually have to reach.
    pub(super) usual_reach: Arc<UsualReach>,
    pub(super) keys: Keys,
    /// Until when Redis is not asked, milliseconds since 1970.
    paused_until_ms: Arc<AtomicI64>,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Fleet").field(&self.keys).finish()
    }
}

impl Fleet {
    /// Prepares the connection. It is opened by the first command, and again after it has failed.
    ///
    /// # Errors
    /// When the URL is not valid.
    pub fn new(url: &str, namespace: Namespace) -> anyhow::Result<Self> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            // Few and short: the next command tries again anyway.
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_millis(200));
        let manager = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        Ok(Self { manager, usual_reach: Arc::default(), keys: Keys::new(namespace), paused_until_ms: Arc::default() })
    }

    /// Runs one pipeline.
    pub(super) async fn run<T: redis::FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, Unavailable> {
        if Utc::now().timestamp_millis() < self.paused_until_ms.load(Ordering::Relaxed) {
            return Err(Unavailable::Paused);
        }
        let mut connection = self.manager.clone();
        let answer = match tokio::time::timeout(TIMEOUT, pipe.query_async(&mut connection)).await {
            Ok(answer) => answer.map_err(Unavailable::Failed),
            Err(_) => Err(Unavailable::Timeout),
        };
        if let Err(e) = &answer {
            let now = Utc::now().timestamp_millis();
            self.paused_until_ms.store(now + PAUSE_MS, Ordering::Relaxed);
            tracing::warn!(error = %e, "positions are unknown: {e}");
        }
        answer
    }

    /// Does Redis answer?
    pub async fn is_available(&self) -> bool {
        let mut pipe = redis::pipe();
        pipe.cmd("PING");
        self.run::<(String,)>(&pipe).await.is_ok()
    }
}
