//! Messages that no retry helped: from the `.dead` queues into a table where people can read, replay and drop them.

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

/// A dead letter, as people see it.
#[derive(Debug, Clone, Serialize, Queryable, Selectable)]
#[diesel(table_name = dead_letters)]
pub struct DeadLetter {
    /// Its own id, made when it died here.
    pub id: Uuid,
    /// Whose news it was: `merchant.order`.
    pub queue: String,
    /// The event inside, when it could be read.
    pub event_id: Option<Uuid>,
    /// `order.paid.v1`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `order`.
    pub aggregate: Option<String>,
    /// Which one.
    pub aggregate_id: Option<Uuid>,
    /// Its version.
    pub version: Option<i64>,
    /// Why it died.
    pub reason: String,
    /// The message, as it came.
    pub body: String,
    /// When.
    pub died_at: DateTime<Utc>,
}

/// Collects dead letters of `consumer`'s queues (`merchant`: all of `merchant.*`) until `stop`.
pub async fn collect(db: Db, broker: Broker, consumer: &'static str, stop: Stop) {
    retry::until_ok(&stop, "the collector of dead letters", || collect_until_broken(&db, &broker, consumer, &stop))
        .await;
}

async fn collect_until_broken(db: &Db, broker: &Broker, consumer: &str, stop: &Stop) -> anyhow::Result<()> {
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
        // Not parked by us: the broker gave up after its delivery limit.
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

/// Dead letters that nobody has dealt with, oldest first.
///
/// # Errors
/// What the database says.
pub async fn open(conn: &mut Conn, after: Option<Uuid>, limit: i64) -> QueryResult<Vec<DeadLetter>> {
    dead_letters::table
        .filter(dead_letters::settled_at.is_null())
        .filter(dead_letters::id.gt(after.unwrap_or(Uuid::nil())))
        .order(dead_letters::id)
        .limit(limit)
        .select(DeadLetter::as_select())
        .load(conn)
        .await
}

/// Has newer news been applied since?
///
/// # Errors
/// What the database says.
pub async fn is_obsolete(conn: &mut Conn, letter: &DeadLetter) -> QueryResult<bool> {
    let (Some(aggregate), Some(id), Some(version)) = (&letter.aggregate, letter.aggregate_id, letter.version) else {
        return Ok(false);
    };
    diesel::select(diesel::dsl::exists(
        applied::table
            .filter(applied::consumer.eq(&letter.queue))
            .filter(applied::aggregate.eq(aggregate))
            .filter(applied::aggregate_id.eq(id))
            .filter(applied::version.ge(version)),
    ))
    .get_result(conn)
    .await
}

/// When the event in a letter occurred, if it can be read.
fn occurred_at(letter: &DeadLetter) -> Option<DateTime<Utc>> {
    serde_json::from_str::<Envelope<serde_json::Value>>(&letter.body).ok().map(|event| event.occurred_at)
}

/// Puts a dead letter back into its queue, without its failed attempts, or drops it when it is obsolete, or so old that
/// nobody knows any more whether it is. Says which.
///
/// # Errors
/// `NotFound` when it is not open; `Away` when the broker is.
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
    let is_remembered =
        occurred_at(&letter).is_none_or(|at| periods.may_apply(letter.aggregate.as_deref().unwrap_or_default(), at));
    let (outcome, would) = match (obsolete, is_remembered) {
        (true, _) => ("obsolete", "would_drop_obsolete"),
        (false, false) => ("forgotten", "would_drop_forgotten"),
        (false, true) => ("replayed", "would_replay"),
    };
    if dry_run {
        return Ok(would);
    }
    if outcome == "replayed" {
        // Published before it is settled: dying in between replays it twice, and the second is obsolete.
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
