//! Load on the platform: open-loop arrivals through the public APIs, people who tap at once, and what it costs.
//!
//! Unlike the bots of a replay nobody here drives, cooks or waits: a shop accepts when its stream shows a ticket and says
//! *ready* with the next call, a rider accepts an offer and taps through to the door. What is left is what the platform
//! itself costs. The clients are lean ([`client`]) and run in this process, so that their CPU is counted apart.
//!
//! A **rung** ([`lives`]) is one offered rate for some seconds. Everything that is measured comes from outside the
//! services: `/proc`, PostgreSQL's statistics and its `events` tables, Redis's and the broker's counters.

pub mod applied;
pub mod arrivals;
pub mod bare;
pub mod chunked;
pub mod city;
pub mod client;
pub mod cpu;
pub mod crew;
pub mod growth;
pub mod ladder;
pub mod lives;
pub mod meters;
pub mod people;
pub mod placing;
pub mod positions;
pub mod redis;
pub mod report;
pub mod stats;
pub mod streams;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use pannier_client::Target;

/// Tells the person who waits what is being done.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;
/// How many messages the broker has delivered to consumers since it started; `None` where it cannot be asked.
pub type DeliveredMessages = Arc<dyn Fn() -> BoxFuture<'static, Option<u64>> + Send + Sync>;

/// A private platform that is measured, and what the measuring needs besides its public APIs.
#[derive(Clone)]
pub struct Stage {
    /// The public APIs.
    pub target: Target,
    /// A login that reads all three schemas and PostgreSQL's statistics.
    pub database_url: String,
    /// `redis://…`, with its password.
    pub redis_url: String,
    /// By the names of `pannier status`; the first process of each. Its children count with it.
    pub processes: BTreeMap<String, u32>,
    /// Asked only between measurements: the question costs a second of CPU.
    pub delivered_messages: DeliveredMessages,
    /// Progress.
    pub say: Say,
    /// Ends everything that was started on this stage.
    pub stop: CancellationToken,
}

impl Stage {
    /// Tells what is being done.
    pub fn say(&self, text: &str) {
        (self.say)(text);
    }
}
