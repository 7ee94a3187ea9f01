//! An event as a consumer gets it from the broker.

use chrono::Utc;
use pannier_contracts::event::Snapshot;
use pannier_contracts::{Envelope, EventId};

/// The bytes of an event with this snapshot, with an id of its own. No handler looks at its name.
///
/// # Panics
/// When the snapshot cannot be written as JSON.
#[must_use]
pub fn event_bytes<S: Snapshot>(snapshot: &S) -> Vec<u8> {
    let event = Envelope {
        event_id: EventId::generate(),
        kind: format!("{}.changed.v1", S::AGGREGATE),
        aggregate: S::AGGREGATE.to_owned(),
        aggregate_id: snapshot.aggregate_id(),
        version: snapshot.version(),
        occurred_at: Utc::now(),
        traceparent: None,
        actor: "test".to_owned(),
        data: snapshot,
    };
    serde_json::to_vec(&event).expect("a snapshot is JSON")
}
