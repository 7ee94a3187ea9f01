//! The platform that is measured.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use pannier_client::Target;

/// Receives progress messages for the person who runs the benchmark.
pub type ProgressLog = Arc<dyn Fn(&str) + Send + Sync>;
/// Reads how many messages the broker has delivered to consumers since it started; `None` where it cannot be read.
pub type DeliveredMessages = Arc<dyn Fn() -> BoxFuture<'static, Option<u64>> + Send + Sync>;

/// A private platform that is measured, with the access that measuring needs besides its public APIs.
#[derive(Clone)]
pub struct SystemUnderTest {
    /// The public APIs.
    pub target: Target,
    /// URL of a login that may read all three schemas and PostgreSQL's statistics.
    pub database_url: String,
    /// `redis://…`, with its password.
    pub redis_url: String,
    /// Process ids by the names of `pannier status`: the first process of each; its children are counted with it.
    pub processes: BTreeMap<String, u32>,
    /// Called only between measurements: a call costs a second of CPU time.
    pub delivered_messages: DeliveredMessages,
    /// Receives progress messages.
    pub progress: ProgressLog,
    /// Ends all bots and calls.
    pub stop: CancellationToken,
}

impl SystemUnderTest {
    /// Sends a progress message.
    pub fn log(&self, text: &str) {
        (self.progress)(text);
    }
}
