//! Events as they are published: an envelope around the snapshot of an aggregate.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{EventId, Version};

/// One event. Its JSON is pinned by `tests/events.rs`.
///
/// Consumers ignore fields that they do not know, and events that are not newer than what they have applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<S> {
    /// The event's id, also the AMQP message id.
    pub event_id: EventId,
    /// Aggregate, past-tense word and schema version: `order.accepted.v1`. For logs and routing; consumers decide by the
    /// state in `data`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of aggregate: `order`.
    pub aggregate: String,
    /// The aggregate's id, without its prefix.
    pub aggregate_id: Uuid,
    /// The aggregate's version after the change.
    pub version: Version,
    /// When the change was made, by the clock of the owner's database.
    pub occurred_at: DateTime<Utc>,
    /// W3C trace context of the request that caused the change.
    pub traceparent: Option<String>,
    /// Who made the change: `customer:cus_…`, `timer:acceptance`, `consumer:merchant.order`.
    pub actor: String,
    /// The whole aggregate after the change.
    pub data: S,
}

/// A snapshot that can be published.
pub trait Snapshot: Serialize + serde::de::DeserializeOwned + Send + Sync + 'static {
    /// The kind of aggregate: `order`.
    const AGGREGATE: &'static str;
    /// The aggregate's id, without its prefix.
    fn aggregate_id(&self) -> Uuid;
    /// The version of this snapshot.
    fn version(&self) -> Version;
}
