//! One connection to the broker: publishes windows of events with confirms, and says which were refused.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Connection};
use pannier_contracts::topology::{ROUTES, is_subscribed};
use pannier_contracts::{Envelope, EventId, Version};
use serde_json::value::RawValue;

use super::Blocked;
use crate::Stop;
use crate::broker::{self, Broker, DEADLINE};
use crate::event_log::LoggedEvent;

/// An event that the broker did not take.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) seq: i64,
    pub(super) why: String,
}

pub(super) struct Publisher {
    connection: Connection,
    channel: Channel,
    exchange: String,
    /// The queues that this exchange feeds.
    queues: Vec<String>,
    blocked: Blocked,
    stop: Stop,
}

/// More messages than this in a queue, and a fresh one would wait noticeably.
const KEEPS_UP: u32 = 200;

impl Publisher {
    pub(super) async fn connect(broker: &Broker, exchange: &str, blocked: Blocked, stop: Stop) -> anyhow::Result<Self> {
        let connection = broker.connect("relay").await?;
        let channel = broker.publishing_channel(&connection).await?;
        let fed = ROUTES.iter().filter(|route| route.exchange == exchange);
        let queues = fed.map(|route| broker.namespace.of(route.queue)).collect();
        Ok(Self { connection, channel, exchange: broker.namespace.of(exchange), queues, blocked, stop })
    }

    /// Publishes those that anybody subscribes to; all of them are sent before the first confirm is awaited.
    ///
    /// # Errors
    /// When the connection is of no use any more: then none of these may be taken for published.
    pub(super) async fn publish(&self, events: &[Arc<LoggedEvent>]) -> anyhow::Result<Vec<Refused>> {
        let wanted: Vec<_> = events.iter().filter(|event| is_subscribed(&event.kind)).cloned().collect();
        if wanted.is_empty() { Ok(Vec::new()) } else { self.publish_all(&wanted).await }
    }

    /// [`Self::publish`], also what nobody subscribes to any more.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub(super) async fn publish_all(&self, events: &[Arc<LoggedEvent>]) -> anyhow::Result<Vec<Refused>> {
        self.unblocked().await?;
        let sent = futures::future::join_all(events.iter().map(|event| self.send(event)));
        // One deadline for the whole window.
        let Ok(fates) = tokio::time::timeout(DEADLINE * 2, sent).await else {
            self.check().await?;
            anyhow::bail!("no confirms in {:?}", DEADLINE * 2);
        };
        let refused: Vec<_> = fates.into_iter().filter_map(Result::err).collect();
        if !refused.is_empty() {
            // With the connection gone, it is not the messages that were refused.
            self.check().await?;
        }
        Ok(refused)
    }

    async fn send(&self, event: &LoggedEvent) -> Result<(), Refused> {
        let sent = async {
            let mut headers = FieldTable::default();
            if let Some(traceparent) = &event.traceparent {
                headers.insert("traceparent".into(), AMQPValue::LongString(LongString::from(traceparent.as_str())));
            }
            let body = serde_json::to_vec(&Envelope {
                event_id: EventId(event.event_id),
                kind: event.kind.clone(),
                aggregate: event.aggregate.clone(),
                aggregate_id: event.aggregate_id,
                version: Version(event.version),
                occurred_at: event.occurred_at,
                traceparent: event.traceparent.clone(),
                actor: event.actor.clone(),
                // As it is stored: nobody reads it on the way.
                data: RawValue::from_string(event.data.clone())?,
            })?;
            let properties = BasicProperties::default()
                .with_delivery_mode(2)
                .with_content_type("application/json".into())
                .with_message_id(EventId(event.event_id).to_string().into())
                .with_headers(headers);
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            let (exchange, key) = (self.exchange.as_str().into(), event.kind.as_str().into());
            let published = self.channel.basic_publish(exchange, key, options, &body, properties);
            let confirm = broker::in_time("publish", published).await?;
            let confirmation = broker::in_time("confirm", confirm).await?;
            broker::stored(confirmation).map_err(anyhow::Error::msg)
        };
        sent.await.map_err(|e: anyhow::Error| Refused { seq: event.seq, why: format!("{e:#}") })
    }

    /// Waits while the broker has an alarm: a publish would never be answered.
    async fn unblocked(&self) -> anyhow::Result<()> {
        while self.connection.status().blocked() {
            self.blocked.set(true);
            anyhow::ensure!(self.connection.status().connected(), "the connection is gone");
            tokio::select! {
                () = self.stop.cancelled() => anyhow::bail!("the broker took nothing more before the end"),
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
        }
        self.blocked.set(false);
        Ok(())
    }

    /// Do the consumers of this exchange keep up? A queue that nobody consumes is not waited for.
    pub(super) async fn is_consumed(&self) -> anyhow::Result<bool> {
        for queue in &self.queues {
            let declared = self.channel.queue_declare(
                queue.as_str().into(),
                QueueDeclareOptions { passive: true, ..Default::default() },
                FieldTable::default(),
            );
            let queue = broker::in_time("look at a queue", declared).await?;
            if queue.consumer_count() > 0 && queue.message_count() > KEEPS_UP {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Is the connection alive and willing?
    ///
    /// # Errors
    /// When a new one is needed.
    pub(super) async fn check(&self) -> anyhow::Result<()> {
        let blocked = self.connection.status().blocked();
        self.blocked.set(blocked);
        anyhow::ensure!(!blocked, "the broker has an alarm");
        anyhow::ensure!(
            self.connection.status().connected() && self.channel.status().connected(),
            "the connection is gone"
        );
        Ok(())
    }

    pub(super) async fn close(self) {
        let _ = broker::in_time("close", self.connection.close(200, "done".into())).await;
    }
}
