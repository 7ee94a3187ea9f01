//! Alarms: rows that ask an operator to look at an aggregate. Open once per aggregate and kind.

use chrono::{DateTime, Utc};
use diesel::query_dsl::methods::FilterDsl as _;
use diesel::upsert::excluded;
use diesel::{ExpressionMethods as _, NullableExpressionMethods as _};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::db::functions::clock_timestamp;
use crate::db::{self, Prepare as _};
use crate::schema::alarms;
use crate::{Conn, Refusal};

/// Raises an alarm. Does nothing while the same one is open.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn raise(conn: &mut Conn, kind: &str, aggregate: &str, id: Uuid, detail: &str) -> Result<(), Refusal> {
    // Otherwise the end of this transaction would resolve the new alarm, too.
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

/// Resolves an aggregate's open alarm of one kind, if there is one.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn resolve_kind(conn: &mut Conn, id: Uuid, kind: &str) -> Result<(), Refusal> {
    let open = alarms::table
        .filter(alarms::aggregate_id.eq(id))
        .filter(alarms::kind.eq(kind))
        .filter(alarms::resolved_at.is_null());
    diesel::update(open).set(alarms::resolved_at.eq(clock_timestamp().nullable())).prepared().execute(conn).await?;
    Ok(())
}

/// Resolves all open alarms of an aggregate with the transaction.
///
/// # Errors
/// Only outside a transaction: [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn resolve(conn: &mut Conn, id: Uuid) -> Result<(), Refusal> {
    db::resolve_alarms(conn, id).await
}
