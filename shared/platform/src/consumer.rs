//! From the broker to a change: newest wins, effect and `applied` row in one transaction, failures told apart.

use std::time::Duration;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use futures::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel};
use pannier_contracts::event::Snapshot;
use pannier_contracts::topology::{RETRY_LADDER_S, dead_queue, retry_queue};
use pannier_contracts::{Envelope, EventId};
use std::sync::Arc;
use tracing::Instrument as _;

use crate::broker::{self, ATTEMPTS, Broker, REASON};
use crate::schema::late_events;
use crate::{Cause, Conn, Db, Refusal, Stop};

/// Messages in hand per consumer.
const PREFETCH: u16 = 32;

/// What a service does about news of one foreign aggregate: one file, one handler.
///
/// A handler never reacts to the event's name. It reads the snapshot's state and asks what should be true here now.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// The snapshot it reads.
    type Snapshot: Snapshot;
    /// Its queue, as in the topology: `dispatch.order`.
    const QUEUE: &'static str;

    /// Makes true here what the news implies, in the given transaction.
    ///
    /// # Errors
    /// `Conflict`: reload and decide again. `Away`: a dependency is away, the message waits. Anything else: retry ladder, then dead.
    async fn handle(&self, conn: &mut Conn, cause: &Cause, news: &Self::Snapshot) -> Result<Effect, Refusal>;
}

/// What news led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Something changed here, or everything was as it should be already.
    Done,
    /// The local state has passed this news: counted, nothing changes.
    Late(String),
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Processed {
    /// Its effect is committed.
    Applied,
    /// Not newer than what was applied: dropped.
    Obsolete,
}

/// Applies one message, without any broker: tests hand it bytes.
///
/// # Errors
/// As [`Handler::handle`]; `Invalid` when the bytes are no such event.
pub async fn process<H: Handler>(db: &Db, handler: &Arc<H>, bytes: &[u8]) -> Result<Processed, Refusal> {
    let event: Envelope<H::Snapshot> =
        serde_json::from_slice(bytes).map_err(|e| Refusal::invalid("unreadable_event", e.to_string()))?;
    let cause = Cause::continuing(format!("consumer:{}", H::QUEUE), event.traceparent.as_deref());
    let span = tracing::info_span!("consume", queue = H::QUEUE, event = %event.kind, aggregate_id = %event.aggregate_id,
        version = event.version.0, trace_id = cause.trace.trace_id());
    let event = Arc::new(event);
    let handler = Arc::clone(handler);
    db.transaction(move |conn| {
        let (event, handler, cause) = (Arc::clone(&event), Arc::clone(&handler), cause.clone());
        async move {
            // Locks the row for this aggregate, so two deliveries of its news take turns.
            let newer = diesel::sql_query(
                "INSERT INTO applied (consumer, aggregate, aggregate_id, version) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (consumer, aggregate, aggregate_id) DO UPDATE SET version = excluded.version
                 WHERE applied.version < excluded.version",
            )
            .bind::<Text, _>(H::QUEUE)
            .bind::<Text, _>(&event.aggregate)
            .bind::<SqlUuid, _>(event.aggregate_id)
            .bind::<BigInt, _>(event.version.0)
            .execute(conn)
            .await?;
            if newer == 0 {
                return Ok(Processed::Obsolete);
            }
            if let Effect::Late(detail) = handler.handle(conn, &cause, &event.data).await? {
                tracing::info!(detail, "late news");
                diesel::insert_into(late_events::table)
                    .values((
                        late_events::consumer.eq(H::QUEUE),
                        late_events::aggregate.eq(&event.aggregate),
                        late_events::aggregate_id.eq(event.aggregate_id),
                        late_events::version.eq(event.version.0),
                        late_events::detail.eq(detail),
                    ))
                    .execute(conn)
                    .await?;
            }
            Ok(Processed::Applied)
        }
        .boxed()
    })
    .instrument(span)
    .await
}

/// Consumes `H`'s queue until `stop`, reconnecting as long as it takes.
pub async fn run<H: Handler>(db: Db, broker: Broker, handler: H, stop: Stop) {
    let handler = Arc::new(handler);
    let mut wait = Duration::from_millis(200);
    while !stop.is_cancelled() {
        match consume(&db, &broker, &handler, &stop, &mut wait).await {
            Ok(()) => return,
            Err(e) => {
                tracing::warn!(queue = H::QUEUE, error = format!("{e:#}"), "consumer of {} starts again", H::QUEUE);
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = (wait * 2).min(Duration::from_secs(2));
    }
}

async fn consume<H: Handler>(
    db: &Db,
    broker: &Broker,
    handler: &Arc<H>,
    stop: &Stop,
    wait: &mut Duration,
) -> anyhow::Result<()> {
    let connection = broker.connect(H::QUEUE).await?;
    let channel = broker.publishing_channel(&connection).await?;
    broker::in_time("set prefetch", channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
    let queue = broker.namespace.of(H::QUEUE);
    let mut messages = broker::in_time(
        "consume",
        channel.basic_consume(queue.as_str().into(), "".into(), BasicConsumeOptions::default(), FieldTable::default()),
    )
    .await?;
    *wait = Duration::from_millis(200);
    tracing::info!(queue = H::QUEUE, "consuming {}", H::QUEUE);
    loop {
        let message = tokio::select! {
            () = stop.cancelled() => {
                // What is in hand and not acknowledged goes back to the queue with the connection.
                let _ = broker::in_time("close", connection.close(200, "stopping".into())).await;
                return Ok(());
            }
            message = messages.next() => message,
        };
        let message = message.ok_or_else(|| anyhow::anyhow!("the broker ended the subscription"))??;
        match process(db, handler, &message.data).await {
            Ok(processed) => {
                if processed == Processed::Obsolete {
                    tracing::debug!(queue = H::QUEUE, "dropped news that is not newer");
                }
            }
            // A dependency being away is not a failure of the message: it goes back, and we come back when a probe works.
            Err(refusal @ (Refusal::Away { .. } | Refusal::Conflict)) => {
                tracing::warn!(queue = H::QUEUE, error = ?refusal, "putting news back: a dependency is away");
                let back = BasicNackOptions { requeue: true, multiple: false };
                broker::in_time("put back", message.acker.nack(back)).await?;
                let _ = broker::in_time("close", connection.close(200, "pausing".into())).await;
                until_database_answers(db, stop).await;
                anyhow::bail!("paused while a dependency was away");
            }
            Err(refusal) => park(&channel, &queue, &message, &refusal).await?,
        }
        broker::in_time("acknowledge", message.acker.ack(BasicAckOptions::default())).await?;
    }
}

async fn until_database_answers(db: &Db, stop: &Stop) {
    let mut wait = Duration::from_millis(100);
    loop {
        let probe = db.read(|conn| async move { Ok(diesel::sql_query("SELECT 1").execute(conn).await?) }.boxed()).await;
        if probe.is_ok() {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = (wait * 2).min(Duration::from_secs(2));
    }
}

/// Moves a message on the ladder: to the next wait, or to the people. Stored there before it is acknowledged here.
async fn park(channel: &Channel, queue: &str, message: &Delivery, why: &Refusal) -> anyhow::Result<()> {
    let attempts = attempts(&message.properties);
    let reason = match why {
        Refusal::Bug(source) => format!("{source:#}"),
        other => other.to_string(),
    };
    let target = usize::try_from(attempts)
        .ok()
        .and_then(|n| RETRY_LADDER_S.get(n))
        .map_or_else(|| dead_queue(queue), |delay_s| retry_queue(queue, *delay_s));
    tracing::error!(queue, attempts, target, reason, "a message failed; it moves to {target}");
    let mut headers = message.properties.headers().clone().unwrap_or_default();
    headers.insert(ATTEMPTS.into(), AMQPValue::LongLongInt(attempts + 1));
    headers.insert(REASON.into(), AMQPValue::LongString(LongString::from(reason)));
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_message_id(
            message.properties.message_id().clone().unwrap_or_else(|| EventId::generate().to_string().into()),
        )
        .with_headers(headers);
    broker::put(channel, &target, &message.data, properties).await
}

fn attempts(properties: &BasicProperties) -> i64 {
    match properties.headers().as_ref().and_then(|h| h.inner().get(ATTEMPTS)) {
        Some(AMQPValue::LongLongInt(n)) => *n,
        _ => 0,
    }
}
