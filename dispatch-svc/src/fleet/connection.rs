//! What Redis is asked with.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::Utc;
use pannier_platform::{Namespace, Tls};
use redis::{Pipeline, RedisError};

use super::keys::Keys;
use super::reach::UsualReach;
use super::server::RedisServer;

/// The longest that Redis may take to connect or to answer.
pub(super) const TIMEOUT: Duration = Duration::from_millis(500);
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
    server: Arc<RedisServer>,
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
    /// Prepares the connection. It is opened by the first command, and again after it has failed. `tls` is used if the URL
    /// asks for it: `rediss://…`.
    ///
    /// # Errors
    /// When the URL is not valid.
    pub fn new(url: &str, tls: &Tls, namespace: Namespace) -> anyhow::Result<Self> {
        let server = Arc::new(RedisServer::new(url, tls)?);
        Ok(Self { server, usual_reach: Arc::default(), keys: Keys::new(namespace), paused_until_ms: Arc::default() })
    }

    /// Runs one pipeline.
    pub(super) async fn run<T: redis::FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, Unavailable> {
        if Utc::now().timestamp_millis() < self.paused_until_ms.load(Ordering::Relaxed) {
            return Err(Unavailable::Paused);
        }
        let asked = async {
            let mut connection = self.server.connection().await?;
            pipe.query_async(&mut connection).await
        };
        let answer = match tokio::time::timeout(TIMEOUT, asked).await {
            Ok(answer) => answer.map_err(Unavailable::Failed),
            Err(_) => Err(Unavailable::Timeout),
        };
        if let Err(e) = &answer {
            let is_answered = matches!(e, Unavailable::Failed(e) if !e.is_io_error() && !e.is_unrecoverable_error());
            if !is_answered {
                self.server.close();
            }
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
