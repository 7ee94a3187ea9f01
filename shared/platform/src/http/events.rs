//! Events as operations see them.

use actix_web::web::Json;
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::Page;
use crate::event_log::{self, LoggedEvent};
use crate::{Conn, Refusal};

/// One event: what happened to what, when, by whom, in which trace.
#[derive(Debug, Serialize)]
pub struct EventEntry {
    #[serde(rename = "type")]
    kind: String,
    aggregate: String,
    aggregate_id: Uuid,
    version: i64,
    occurred_at: DateTime<Utc>,
    actor: String,
    state: Option<serde_json::Value>,
    traceparent: Option<String>,
}

impl From<LoggedEvent> for EventEntry {
    fn from(event: LoggedEvent) -> Self {
        Self {
            state: event.state(),
            kind: event.kind,
            aggregate: event.aggregate,
            aggregate_id: event.aggregate_id,
            version: event.version,
            occurred_at: event.occurred_at,
            actor: event.actor,
            traceparent: event.traceparent,
        }
    }
}

/// The events of these aggregates, oldest first.
///
/// # Errors
/// [`Refusal::NotFound`] when there are no such aggregates, or their events have been deleted.
pub async fn events_of(conn: &mut Conn, which: &[(&str, Uuid)]) -> Result<Page<EventEntry>, Refusal> {
    let events = event_log::of_aggregates(conn, which).await?;
    if events.is_empty() {
        return Err(Refusal::NotFound("order"));
    }
    Ok(Page { data: events.into_iter().map(EventEntry::from).collect(), next_cursor: None })
}

/// The answer of a handler.
pub type Events = Json<Page<EventEntry>>;
