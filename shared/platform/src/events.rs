//! Announcing a change: one row in `events`, in the transaction that makes the change.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::event::Snapshot;
use pannier_contracts::{EventId, topology};

use crate::schema::events;
use crate::{Cause, Conn, Refusal};

/// Writes the event of one change.
///
/// `kind` is the past-tense word: `accepted` becomes `order.accepted.v1`. `audience` names whose stream of many shows it.
/// The unique key on (aggregate, version) makes a second event of the same change impossible.
///
/// # Errors
/// `Conflict` when that version is announced already; otherwise what the database says.
pub async fn append<S: Snapshot>(
    conn: &mut Conn,
    cause: &Cause,
    kind: &str,
    audience: Option<String>,
    snapshot: &S,
) -> Result<(), Refusal> {
    let data = serde_json::to_value(snapshot).map_err(|e| Refusal::Bug(e.into()))?;
    diesel::insert_into(events::table)
        .values((
            events::event_id.eq(EventId::generate().0),
            events::kind.eq(format!("{}.{kind}.v1", S::AGGREGATE)),
            events::aggregate.eq(S::AGGREGATE),
            events::aggregate_id.eq(snapshot.aggregate_id()),
            events::version.eq(snapshot.version().0),
            events::traceparent.eq(cause.trace.traceparent()),
            events::actor.eq(&cause.actor),
            events::audience.eq(audience),
            events::data.eq(data),
            events::subscribed.eq(topology::is_subscribed(S::AGGREGATE)),
        ))
        .execute(conn)
        .await
        .map_err(|e| match e {
            diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _) => {
                Refusal::Conflict
            }
            e => e.into(),
        })?;
    Ok(())
}
