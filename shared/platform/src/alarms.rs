//! Somebody should look: raised once per subject and kind, resolved when the subject moves on.

use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::db::{self, Prepare as _};
use crate::{Conn, Refusal};

/// Raises an alarm; raising it again is a no-op while it is open.
///
/// # Errors
/// What the database says.
pub async fn raise(conn: &mut Conn, kind: &str, aggregate: &str, id: Uuid, detail: &str) -> Result<(), Refusal> {
    // What was to be resolved with this transaction is resolved before: the new alarm stays.
    db::resolve_alarms_now(conn, id).await?;
    let raised = diesel::sql_query(
        "INSERT INTO alarms (kind, aggregate, aggregate_id, detail) VALUES ($1, $2, $3, $4)
         ON CONFLICT (aggregate_id, kind) DO UPDATE
             SET detail = excluded.detail, raised_at = clock_timestamp(), resolved_at = NULL
             WHERE alarms.resolved_at IS NOT NULL",
    )
    .bind::<Text, _>(kind)
    .bind::<Text, _>(aggregate)
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(detail)
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
