//! Appends to the event log, in the transaction that makes the change.

use pannier_contracts::EventId;
use pannier_contracts::event::Snapshot;

use crate::db::{self, NewEvent};
use crate::{Cause, Conn, Refusal};

/// Writes the event of one change with the transaction.
///
/// `kind` is a past-tense verb: `accepted` becomes `order.accepted.v1`. `audience` names the feed that shows it.
///
/// # Errors
/// [`Refusal::Bug`] when the snapshot cannot be JSON. A second event of the same version fails when the row is written, with
/// [`Refusal::Conflict`].
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
