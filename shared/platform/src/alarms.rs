//! Somebody should look: raised once per subject and kind, resolved when the subject moves on.

use chrono::{DateTime, Utc};
use diesel::ExpressionMethods as _;
use diesel::query_dsl::methods::FilterDsl as _;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::db::functions::clock_timestamp;
use crate::db::{self, Prepare as _};
use crate::schema::alarms;
use crate::{Conn, Refusal};

/// Raises an alarm; raising it again is a no-op while it is open.
///
/// # Errors
/// What the database says.
pub async fn raise(conn: &mut Conn, kind: &str, aggregate: &str, id: Uuid, detail: &str) -> Result<(), Refusal> {
    // What was to be resolved with this transaction is resolved before: the new alarm stays.
    db::resolve_alarms_now(conn, id).await?;
    let raised = diesel::insert_into(alarms::table)
        .values((
            alarms::kind.eq(kind),
            alarms::aggregate.eq(aggregate),
            alarms::aggregate_id.eq(id),
            alarms::detail.eq(detail),
        ))
        .on_conflict((alarms::aggregate_id, alarms::kind))
        .do_update()
        .set((
            alarms::detail.eq(excluded(alarms::detail)),
            alarms::raised_at.eq(clock_timestamp()),
            alarms::resolved_at.eq(None::<DateTime<Utc>>),
        ))
        .filter(alarms::resolved_at.is_not_null())
        .prepared()
        .execute(conn)
        .await?;
    if raised == 1 {
        tracing::warn!(alarm = kind, aggregate, aggregate_id = %id, detail, "alarm {kind}: {detail}");
    }
    Ok(())
}

/// Resolves all open alarms of a subject, at the end of the transaction.
///
/// # Errors
/// Outside a transaction, what the database refuses.
pub async fn resolve(conn: &mut Conn, id: Uuid) -> Result<(), Refusal> {
    db::resolve_alarms(conn, id).await
}
