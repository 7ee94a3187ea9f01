//! Announcing a change: one row in `events`, in the transaction that makes the change.

use pannier_contracts::EventId;
use pannier_contracts::event::Snapshot;

use crate::db::{self, NewEvent};
use crate::{Cause, Conn, Refusal};

/// Announces one change; the row is written at the end of the transaction, with all others of it.
///
/// `kind` is the past-tense word: `accepted` becomes `order.accepted.v1`. `audience` names whose stream of many shows it.
/// The unique key on (aggregate, version) makes a second event of the same change impossible.
///
/// # Errors
/// A snapshot that is no JSON: our bug. That the version is announced already shows when the row is written, as `Conflict`.
pub async fn append<S: Snapshot>(
    conn: &mut Conn,
    cause: &Cause,
    kind: &str,
    audience: Option<String>,
    snapshot: &S,
) -> Result<(), Refusal> {
    let event = NewEvent {
        event_id: EventId::generate().0,
        kind: format!("{}.{kind}.v1", S::AGGREGATE),
        aggregate: S::AGGREGATE,
        aggregate_id: snapshot.aggregate_id(),
        version: snapshot.version().0,
        traceparent: cause.trace.traceparent(),
        actor: cause.actor.clone(),
        audience,
        data: serde_json::to_string(snapshot).map_err(|e| Refusal::Bug(e.into()))?,
    };
    db::add_event(conn, event).await
}
