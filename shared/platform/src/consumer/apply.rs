//! Applies messages. It knows no broker: tests call it with bytes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use pannier_contracts::Envelope;
use pannier_contracts::event::Snapshot as _;
use tracing::{Instrument as _, Span, field};
use uuid::Uuid;

use super::handler::{Effect, Handler, Message, Processed};
use crate::db::Prepare as _;
use crate::retention::RetentionPeriods;
use crate::schema::late_events;
use crate::telemetry::{Metrics, traces};
use crate::{Cause, Conn, Db, Refusal};

/// A message that could be parsed.
pub(super) struct ReceivedEvent<S> {
    envelope: Envelope<S>,
    cause: Cause,
    /// From its arrival until it is applied, in its own trace.
    span: Span,
}

/// Parses a message.
///
/// # Errors
/// [`Refusal::Invalid`] when the bytes are not an event with this snapshot, or it is too old to be applied.
pub(super) fn parse<H: Handler>(
    bytes: &[u8],
    periods: RetentionPeriods,
) -> Result<ReceivedEvent<H::Snapshot>, Refusal> {
    let envelope: Envelope<H::Snapshot> =
        serde_json::from_slice(bytes).map_err(|e| Refusal::invalid("unreadable_event", e.to_string()))?;
    if !periods.may_apply(&envelope.aggregate, envelope.occurred_at) {
        let detail = format!(
            "{} of {} is too old to be applied: what was applied since may have been deleted",
            envelope.kind, envelope.occurred_at
        );
        return Err(Refusal::invalid("event_forgotten", detail));
    }
    let span = tracing::info_span!("consume", queue = H::QUEUE, event = %envelope.kind,
        aggregate_id = %envelope.aggregate_id, version = envelope.version.0, trace_id = field::Empty,
        otel.name = field::Empty, otel.kind = field::Empty, messaging.system = field::Empty,
        messaging.operation.name = field::Empty, messaging.destination.name = field::Empty);
    if traces::is_on() {
        span.record("otel.name", format!("process {}", envelope.kind)).record("otel.kind", "consumer");
        span.record("messaging.system", "rabbitmq").record("messaging.operation.name", "process");
        span.record("messaging.destination.name", H::QUEUE);
    }
    let cause = Cause::within(format!("consumer:{}", H::QUEUE), &span, envelope.traceparent.as_deref());
    Ok(ReceivedEvent { envelope, cause, span })
}

/// Applies one message with the default retention periods. For tests: services call [`super::run`].
///
/// # Errors
/// As [`Handler::handle`]; [`Refusal::Invalid`] when the bytes are not an event with this snapshot.
pub async fn process<H: Handler>(db: &Db, handler: &Arc<H>, bytes: &[u8]) -> Result<Processed, Refusal> {
    let periods = RetentionPeriods::default();
    let processed = apply(db, handler, vec![Arc::new(parse::<H>(bytes, periods)?)]).await?;
    Ok(processed.into_iter().next().unwrap_or(Processed::Obsolete))
}

/// Applies events in one transaction: of each aggregate the newest, if it is newer than what was applied. Returns what
/// became of each event, in their order.
///
/// # Errors
/// As [`Handler::handle_all`]: then none of them was applied.
pub(super) async fn apply<H: Handler>(
    db: &Db,
    handler: &Arc<H>,
    events: Vec<Arc<ReceivedEvent<H::Snapshot>>>,
) -> Result<Vec<Processed>, Refusal> {
    let newest = Arc::new(newest_of_each(&events));
    let span = match &newest[..] {
        [event] => event.span.clone(),
        many => batch_span(H::QUEUE, many),
    };
    let (handler, these, metrics) = (Arc::clone(handler), Arc::clone(&newest), db.metrics().clone());
    let applied: HashSet<Uuid> = db
        .transaction(move |conn| {
            let (handler, events, metrics) = (Arc::clone(&handler), Arc::clone(&these), metrics.clone());
            async move { apply_newest(conn, &*handler, &events, &metrics).await }.boxed()
        })
        .instrument(span)
        .await?;
    let is_newest = |event: &Arc<ReceivedEvent<H::Snapshot>>| newest.iter().any(|newest| Arc::ptr_eq(newest, event));
    let processed = events.iter().map(|event| {
        if applied.contains(&event.envelope.aggregate_id) && is_newest(event) {
            Processed::Applied
        } else {
            Processed::Obsolete
        }
    });
    Ok(processed.collect())
}

/// The span of a batch: a trace of its own, to which each message's is linked.
fn batch_span<S>(queue: &'static str, events: &[Arc<ReceivedEvent<S>>]) -> Span {
    let span = tracing::info_span!(
        "consume",
        queue,
        events = events.len(),
        otel.name = field::Empty,
        messaging.system = field::Empty,
        messaging.destination.name = field::Empty,
        messaging.batch.message_count = field::Empty
    );
    if traces::is_on() {
        span.record("otel.name", format!("batch {queue}")).record("messaging.system", "rabbitmq");
        span.record("messaging.destination.name", queue).record("messaging.batch.message_count", events.len());
        let batch = traces::enter(&span, None);
        for event in events {
            traces::link(&event.span, &batch);
            traces::link(&span, &event.cause.trace);
        }
    }
    span
}

/// The newest event of each aggregate, sorted by aggregate id: the order in which every transaction takes its locks.
fn newest_of_each<S>(events: &[Arc<ReceivedEvent<S>>]) -> Vec<Arc<ReceivedEvent<S>>> {
    let mut newest: HashMap<Uuid, &Arc<ReceivedEvent<S>>> = HashMap::new();
    for event in events {
        let known = newest.entry(event.envelope.aggregate_id).or_insert(event);
        if known.envelope.version < event.envelope.version {
            *known = event;
        }
    }
    let mut newest: Vec<_> = newest.into_values().cloned().collect();
    newest.sort_by_key(|event| event.envelope.aggregate_id);
    newest
}

/// Writes the versions to `applied`, then handles those that were newer. Returns their aggregates.
async fn apply_newest<H: Handler>(
    conn: &mut Conn,
    handler: &H,
    events: &[Arc<ReceivedEvent<H::Snapshot>>],
    metrics: &Metrics,
) -> Result<HashSet<Uuid>, Refusal> {
    #[derive(QueryableByName)]
    struct Newer {
        #[diesel(sql_type = SqlUuid)]
        aggregate_id: Uuid,
    }
    // This locks the rows of these aggregates, so two deliveries of the same message run one after the other.
    // Raw: with `unnest` the text is the same for every size of a batch, so it stays prepared.
    let newer: Vec<Newer> = diesel::sql_query(
        "INSERT INTO applied (consumer, aggregate, aggregate_id, version)
         SELECT $1, $2, id, version FROM unnest($3, $4) AS received (id, version)
         ON CONFLICT (consumer, aggregate, aggregate_id) DO UPDATE SET version = excluded.version, at = excluded.at
         WHERE applied.version < excluded.version
         RETURNING aggregate_id",
    )
    .bind::<Text, _>(H::QUEUE)
    .bind::<Text, _>(<H::Snapshot as pannier_contracts::event::Snapshot>::AGGREGATE)
    .bind::<Array<SqlUuid>, _>(events.iter().map(|event| event.envelope.aggregate_id).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(events.iter().map(|event| event.envelope.version.0).collect::<Vec<_>>())
    .prepared()
    .load(conn)
    .await?;
    let newer: HashSet<Uuid> = newer.into_iter().map(|row| row.aggregate_id).collect();
    let events: Vec<_> = events.iter().filter(|event| newer.contains(&event.envelope.aggregate_id)).collect();
    if events.is_empty() {
        return Ok(newer);
    }
    let messages: Vec<_> =
        events.iter().map(|event| Message { cause: &event.cause, snapshot: &event.envelope.data }).collect();
    let effects = handler.handle_all(conn, &messages).await?;
    for (event, effect) in events.iter().zip(effects) {
        let Effect::Late(detail) = effect else { continue };
        metrics.messages(H::QUEUE, "late", 1);
        tracing::info!(aggregate_id = %event.envelope.data.aggregate_id(), detail, "late event");
        diesel::insert_into(late_events::table)
            .values((
                late_events::consumer.eq(H::QUEUE),
                late_events::aggregate.eq(&event.envelope.aggregate),
                late_events::aggregate_id.eq(event.envelope.aggregate_id),
                late_events::version.eq(event.envelope.version.0),
                late_events::detail.eq(detail),
            ))
            .execute(conn)
            .await?;
    }
    Ok(newer)
}
