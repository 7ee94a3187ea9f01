//! The audit trail: who of operations did what, when, why, from where, and what it changed. Every [`Command`] of a caller
//! with the role `ops` writes its row by itself, in its own transaction: one that was refused or rolled back has none, and a
//! repeated one has one.
//!
//! [`Command`]: crate::http::Command

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cause::Trace;
use crate::db::Prepare as _;
use crate::retention::{Period, RetentionRule};
use crate::schema::audit;
use crate::{Conn, Refusal};

/// An action of operations that is about to be committed.
#[derive(Debug, Clone)]
pub struct Action {
    /// Who.
    pub actor: String,
    /// What: method and path.
    pub action: String,
    /// Why, as they wrote.
    pub reason: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// In which trace.
    pub trace: Trace,
}

/// A row of the trail.
#[derive(Debug, Clone, Serialize, Queryable, Selectable)]
#[diesel(table_name = audit)]
#[allow(missing_docs, reason = "columns; the migration documents them")]
pub struct Entry {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub action: String,
    pub aggregate_id: Option<Uuid>,
    pub reason: Option<String>,
    pub address: Option<String>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub traceparent: String,
}

/// Rows are kept as long as other history.
pub(crate) const RETENTION: RetentionRule = RetentionRule {
    what: "audit rows",
    period: Period::History,
    sql: "DELETE FROM audit WHERE id = ANY(ARRAY(
              SELECT id FROM (SELECT id, at FROM audit ORDER BY id LIMIT $1) AS oldest
              WHERE at < statement_timestamp() - $2 * interval '1 s'))",
};

/// Writes an action with its answer, which names the object if it has an `id`. What the object was before is in the event
/// log, to which this transaction has written nothing yet.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn write(conn: &mut Conn, action: &Action, answer: &Value) -> Result<(), Refusal> {
    let object = answer["id"].as_str().and_then(uuid_of);
    let fields = ["state", "status", "version"].into_iter().filter(|field| !answer[*field].is_null());
    let after = Value::Object(fields.map(|field| (field.to_owned(), answer[field].clone())).collect());
    // Raw: INSERT … SELECT with a subquery over JSON.
    diesel::sql_query(
        "INSERT INTO audit (id, actor, action, aggregate_id, reason, address, before, after, traceparent)
         VALUES ($1, $2, $3, $4, $5, $6,
                 (SELECT jsonb_strip_nulls(jsonb_build_object('state', e.data ->> 'state', 'status', e.data ->> 'status',
                                                              'version', e.version))
                  FROM events e WHERE e.aggregate_id = $4 ORDER BY e.version DESC LIMIT 1), $7, $8)",
    )
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<Text, _>(&action.actor)
    .bind::<Text, _>(&action.action)
    .bind::<Nullable<SqlUuid>, _>(object)
    .bind::<Nullable<Text>, _>(&action.reason)
    .bind::<Nullable<Text>, _>(&action.address)
    .bind::<Jsonb, _>(if after == json!({}) { answer.clone() } else { after })
    .bind::<Text, _>(action.trace.traceparent())
    .prepared()
    .execute(conn)
    .await?;
    Ok(())
}

/// Which rows a list has.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those of this caller.
    pub actor: Option<String>,
    /// Only those about this object.
    pub object: Option<Uuid>,
}

/// At most `limit` rows, newest first; only those older than `before`, if given.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn list(conn: &mut Conn, filter: Filter, before: Option<Uuid>, limit: i64) -> Result<Vec<Entry>, Refusal> {
    let mut rows = audit::table.order(audit::id.desc()).limit(limit).select(Entry::as_select()).into_boxed();
    if let Some(actor) = filter.actor {
        rows = rows.filter(audit::actor.eq(actor));
    }
    if let Some(object) = filter.object {
        rows = rows.filter(audit::aggregate_id.eq(object));
    }
    if let Some(before) = before {
        rows = rows.filter(audit::id.lt(before));
    }
    Ok(rows.load(conn).await?)
}

/// The UUID of an id with a prefix, as in `ord_0199…`, or without one.
#[must_use]
pub fn uuid_of(id: &str) -> Option<Uuid> {
    id.rsplit('_').next()?.parse().ok()
}
