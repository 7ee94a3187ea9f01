//! Rows of the event log.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::deserialize;
use diesel::pg::Pg;
use diesel::row::NamedRow;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::tx_snapshot::{InvalidSnapshot, TxSnapshot};
use crate::Refusal;
use crate::cause::Trace;

/// One row of the log.
#[derive(Debug, Clone, QueryableByName)]
pub struct LoggedEvent {
    /// The order in which rows were written. Among events that became visible together it keeps each aggregate's order; rows
    /// with a lower one may become visible later.
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
    #[diesel(sql_type = BigInt)]
    tx: i64,
    /// Unique; also the message's id.
    #[diesel(sql_type = SqlUuid)]
    pub event_id: Uuid,
    /// `order.accepted.v1`.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// `order`.
    #[diesel(sql_type = Text)]
    pub aggregate: String,
    /// The aggregate's id.
    #[diesel(sql_type = SqlUuid)]
    pub aggregate_id: Uuid,
    /// The aggregate's version after the change.
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    /// By the database's clock.
    #[diesel(sql_type = Timestamptz)]
    pub occurred_at: DateTime<Utc>,
    /// W3C trace context of the change.
    #[diesel(sql_type = Nullable<Text>)]
    pub traceparent: Option<String>,
    /// Who made the change: `customer:cus_…`, `timer:acceptance`.
    #[diesel(sql_type = Text)]
    pub actor: String,
    /// The feed that shows it: `merchant:<uuid>`.
    #[diesel(sql_type = Nullable<Text>)]
    pub audience: Option<String>,
    /// The aggregate after the change, JSON.
    #[diesel(sql_type = Text)]
    pub data: String,
}

/// The columns of [`LoggedEvent`] in a SELECT from `events`.
macro_rules! columns {
    () => {
        "seq, tx::text::bigint AS tx, event_id, type AS kind, aggregate, aggregate_id, version, occurred_at, traceparent,
         actor, audience, data::text AS data"
    };
}
pub(super) use columns;

impl LoggedEvent {
    /// The aggregate after the change.
    ///
    /// # Errors
    /// [`Refusal::Bug`] when the data is not an `S`.
    pub fn snapshot<S: DeserializeOwned>(&self) -> Result<S, Refusal> {
        serde_json::from_str(&self.data).map_err(|e| Refusal::Bug(e.into()))
    }

    /// The field `state` of the snapshot, if it has one.
    #[must_use]
    pub fn state(&self) -> Option<serde_json::Value> {
        #[derive(serde::Deserialize)]
        struct Stated {
            state: Option<serde_json::Value>,
        }
        self.snapshot::<Stated>().ok().and_then(|stated| stated.state)
    }

    /// The trace of the change.
    #[must_use]
    pub fn trace(&self) -> Option<Trace> {
        self.traceparent.as_deref().and_then(Trace::parse)
    }

    /// The past-tense verb in its type: `accepted` of `order.accepted.v1`.
    #[must_use]
    pub fn word(&self) -> &str {
        self.kind.split('.').nth(1).unwrap_or_default()
    }

    /// The transaction that wrote it, for [`TxSnapshot::sees`].
    #[must_use]
    pub fn tx(&self) -> u64 {
        self.tx.cast_unsigned()
    }
}

/// What a read of the log's end returned.
pub(crate) struct Visible {
    /// The events, by `seq`.
    pub(crate) events: Vec<LoggedEvent>,
    /// What was visible to the statement.
    pub(crate) snapshot: TxSnapshot,
    /// The database's time.
    pub(crate) time: DateTime<Utc>,
}

/// A row of `now LEFT JOIN events`: there is at least one, and each has the same snapshot and time.
pub(super) struct VisibleRow {
    now: Now,
    event: Option<LoggedEvent>,
}

#[derive(QueryableByName)]
struct Now {
    #[diesel(sql_type = Text)]
    snapshot: String,
    #[diesel(sql_type = Timestamptz)]
    time: DateTime<Utc>,
    /// The event's `seq`; `None` when the row has no event.
    #[diesel(sql_type = Nullable<BigInt>)]
    event_seq: Option<i64>,
}

impl QueryableByName<Pg> for VisibleRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let now = <Now as QueryableByName<Pg>>::build(row)?;
        let event = now.event_seq.map(|_| <LoggedEvent as QueryableByName<Pg>>::build(row)).transpose()?;
        Ok(Self { now, event })
    }
}

impl TryFrom<Vec<VisibleRow>> for Visible {
    type Error = Refusal;

    fn try_from(rows: Vec<VisibleRow>) -> Result<Self, Refusal> {
        let Some(VisibleRow { now, .. }) = rows.as_slice().first() else {
            return Err(Refusal::Bug(anyhow::anyhow!("the event log returned no snapshot")));
        };
        let snapshot = now.snapshot.parse().map_err(|e: InvalidSnapshot| Refusal::Bug(e.into()))?;
        let time = now.time;
        Ok(Self { events: rows.into_iter().filter_map(|row| row.event).collect(), snapshot, time })
    }
}
