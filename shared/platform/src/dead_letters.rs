//! Dead letters: moves messages from the `.dead` queues into a table, where operators read, replay and drop them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use pannier_contracts::topology::{ROUTES, dead_queue};
use pannier_contracts::{Envelope, EventId};
use serde::Serialize;
use uuid::Uuid;

use crate::broker::{self, Broker, REASON};
use crate::retention::RetentionPeriods;
use crate::schema::{applied, dead_letters};
use crate::{Conn, Db, Refusal, Stop, retry};

/// A dead letter, as operators see it.
#[derive(Debug, Clone, Serialize, Queryable, Selectable)]
#[diesel(table_name = dead_letters)]
pub struct DeadLetter {
    /// Made when it was stored.
    pub id: Uuid,
    /// The queue whose consumer failed: `merchant.order`.
    pub queue: String,
    /// The event in it; this and the following are `None` when it cannot be parsed.
    pub event_id: Option<Uuid>,
    /// `order.paid.v1`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `order`.
    pub aggregate: Option<String>,
    /// The aggregate's id.
    pub aggregate_id: Option<Uuid>,
    /// The aggregate's version.
    pub version: Option<i64>,
    /// Why it failed last.
    pub reason: String,
    /// The message as it was received.
    pub body: String,
    /// When it was stored.
    pub died_at: DateTime<Utc>,
}

/// Stores the dead letters of `consumer`'s queues (`merchant`: all of `merchant.*`) until `stop`.
pub async fn collect(db: Db, broker: Broker, consumer: &'static str, stop: Stop) {
    retry::until_ok(&stop, "the collector of dead letters", || collect_session(&db, &broker, consumer, &stop)).await;
}

async fn collect_session(db: &Db, broker: &Broker, consumer: &str, stop: &Stop) -> anyhow::Result<()> {
    let connection = broker.connect("dead-letters").await?;
    let channel = broker.channel(&connection).await?;
    broker::with_deadline("set prefetch", channel.basic_qos(8, BasicQosOptions::default())).await?;
    let own = ROUTES.iter().filter(|r| r.queue.split('.').next() == Some(consumer));
    let mut streams = Vec::new();
    for route in own {
        let dead = dead_queue(&broker.namespace.of(route.queue));
        let stream = broker::with_deadline(
            "consume",
            channel.basic_consume(
                dead.as_str().into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            ),
        )
        .await?;
        streams.push(stream.map(|message| (route.queue, message)));
    }
    let mut messages = futures::stream::select_all(streams);
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => {
                let _ = broker::with_deadline("close", connection.close(200, "stopping".into())).await;
                return Ok(());
            }
            next = messages.next() => next,
        };
        let (queue, message) = next.ok_or_else(|| anyhow::anyhow!("the broker ended the subscription"))?;
        let message = message?;
        keep(db, queue, &message).await?;
        broker::with_deadline("acknowledge", message.acker.ack(BasicAckOptions::default())).await?;
    }
}

async fn keep(db: &Db, queue: &'static str, message: &Delivery) -> Result<(), Refusal> {
    let body = String::from_utf8_lossy(&message.data).into_owned();
    let event: Option<Envelope<serde_json::Value>> = serde_json::from_slice(&message.data).ok();
    let headers = message.properties.headers().clone().unwrap_or_default();
    let reason = match headers.inner().get(REASON) {
        Some(AMQPValue::LongString(text)) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        // Not parked by a consumer: the broker's delivery limit was reached.
        _ => "delivery limit reached: the consumer died or disconnected each time".to_owned(),
    };
    let headers = serde_json::json!(
        headers
            .inner()
            .iter()
            .map(|(k, v)| (k.to_string(), format!("{v:?}")))
            .collect::<std::collections::BTreeMap<_, _>>()
    );
    tracing::error!(queue, reason, "dead letter in {queue}: {reason}");
    db.transaction(move |conn| {
        let (body, event, headers, reason) = (body.clone(), event.clone(), headers.clone(), reason.clone());
        async move {
            diesel::insert_into(dead_letters::table)
                .values((
                    dead_letters::id.eq(Uuid::now_v7()),
                    dead_letters::queue.eq(queue),
                    dead_letters::event_id.eq(event.as_ref().map(|e| e.event_id.0)),
                    dead_letters::kind.eq(event.as_ref().map(|e| e.kind.clone())),
                    dead_letters::aggregate.eq(event.as_ref().map(|e| e.aggregate.clone())),
                    dead_letters::aggregate_id.eq(event.as_ref().map(|e| e.aggregate_id)),
                    dead_letters::version.eq(event.as_ref().map(|e| e.version.0)),
                    dead_letters::reason.eq(reason),
                    dead_letters::body.eq(body),
                    dead_letters::headers.eq(headers),
                ))
                .execute(conn)
                .await?;
            Ok(())
        }
        .boxed()
    })
    .await
}

/// Dead letters that are not settled, the oldest first, after the one with the id `after`.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn open(conn: &mut Conn, after: Option<Uuid>, limit: i64) -> Result<Vec<DeadLetter>, Refusal> {
    Ok(dead_letters::table
        .filter(dead_letters::settled_at.is_null())
        .filter(dead_letters::id.gt(after.unwrap_or(Uuid::nil())))
        .order(dead_letters::id)
        .limit(limit)
        .select(DeadLetter::as_select())
        .load(conn)
        .await?)
}

/// Whether this version of the aggregate or a newer one has been applied since.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn is_obsolete(conn: &mut Conn, letter: &DeadLetter) -> Result<bool, Refusal> {
    let (Some(aggregate), Some(id), Some(version)) = (&letter.aggregate, letter.aggregate_id, letter.version) else {
        return Ok(false);
    };
    Ok(diesel::select(diesel::dsl::exists(
        applied::table
            .filter(applied::consumer.eq(&letter.queue))
            .filter(applied::aggregate.eq(aggregate))
            .filter(applied::aggregate_id.eq(id))
            .filter(applied::version.ge(version)),
    ))
    .get_result(conn)
    .await?)
}

/// When its event occurred; `None` when it cannot be parsed.
fn occurred_at(letter: &DeadLetter) -> Option<DateTime<Utc>> {
    serde_json::from_str::<Envelope<serde_json::Value>>(&letter.body).ok().map(|event| event.occurred_at)
}

/// Publishes a dead letter to its queue again, with no attempts counted, and settles it. One that is obsolete, or too old to
/// be applied, is settled only. Returns the outcome: `replayed`, `obsolete` or `forgotten`; with `dry_run` what it would be.
///
/// # Errors
/// [`Refusal::NotFound`] when it does not exist or is settled; [`Refusal::Away`] when the broker does not store it.
pub async fn replay(
    db: &Db,
    broker: &Broker,
    periods: RetentionPeriods,
    id: Uuid,
    dry_run: bool,
) -> Result<&'static str, Refusal> {
    let (letter, obsolete) = db
        .read(move |conn| {
            async move {
                let letter = dead_letters::table
                    .filter(dead_letters::id.eq(id))
                    .filter(dead_letters::settled_at.is_null())
                    .select(DeadLetter::as_select())
                    .first(conn)
                    .await
                    .optional()?
                    .ok_or(Refusal::NotFound("dead letter"))?;
                let obsolete = is_obsolete(conn, &letter).await?;
                Ok((letter, obsolete))
            }
            .boxed()
        })
        .await?;
    let may_apply =
        occurred_at(&letter).is_none_or(|at| periods.may_apply(letter.aggregate.as_deref().unwrap_or_default(), at));
    let (outcome, would) = match (obsolete, may_apply) {
        (true, _) => ("obsolete", "would_drop_obsolete"),
        (false, false) => ("forgotten", "would_drop_forgotten"),
        (false, true) => ("replayed", "would_replay"),
    };
    if dry_run {
        return Ok(would);
    }
    if outcome == "replayed" {
        // Published before it is settled: after a crash in between it is replayed twice, and the second one is obsolete.
        let put = async {
            let connection = broker.connect("replay").await?;
            let channel = broker.publishing_channel(&connection).await?;
            let message_id = letter.event_id.map_or_else(EventId::generate, EventId).to_string();
            let properties = lapin::BasicProperties::default()
                .with_content_type("application/json".into())
                .with_message_id(message_id.into());
            broker::put(&channel, &broker.namespace.of(&letter.queue), letter.body.as_bytes(), properties).await?;
            let _ = broker::with_deadline("close", connection.close(200, "done".into())).await;
            anyhow::Ok(())
        };
        put.await.map_err(|source| Refusal::Away { what: "the broker", code: "broker_away", source })?;
    }
    db.transaction(move |conn| {
        async move {
            diesel::update(dead_letters::table.filter(dead_letters::id.eq(id)))
                .set((dead_letters::settled_at.eq(diesel::dsl::now), dead_letters::outcome.eq(outcome)))
                .execute(conn)
                .await?;
            Ok(())
        }
        .boxed()
    })
    .await?;
    Ok(outcome)
}
