//! What travels through the broker: news of a state.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{EventId, Version};

/// One event as it is published: the envelope around a full snapshot.
///
/// Consumers ignore fields they do not know and news that is not newer than what they have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<S> {
    /// Its own id; also the AMQP message id.
    pub event_id: EventId,
    /// For example `order.accepted.v1`: for logs and routing, never for a decision.
    #[serde(rename = "type")]
    pub kind: String,
    /// For example `order`.
    pub aggregate: String,
    /// Which one, without its prefix.
    pub aggregate_id: Uuid,
    /// Its version after the change.
    pub version: Version,
    /// When the change was made, by the owner's database clock.
    pub occurred_at: DateTime<Utc>,
    /// W3C trace context of the request that caused it.
    pub traceparent: Option<String>,
    /// Who did it: `customer:cus_…`, `timer:acceptance`, `consumer:merchant.order`.
    pub actor: String,
    /// The whole aggregate after the change.
    pub data: S,
}

/// What an aggregate's full snapshot must tell about itself.
pub trait Snapshot: Serialize + serde::de::DeserializeOwned + Send + Sync + 'static {
    /// For example `order`.
    const AGGREGATE: &'static str;
    /// Which one.
    fn aggregate_id(&self) -> Uuid;
    /// The version that this snapshot shows.
    fn version(&self) -> Version;
}
