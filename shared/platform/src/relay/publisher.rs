//! Publishes events over one connection, with confirms, and returns those that the broker refused.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Connection};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use pannier_contracts::topology::{ROUTES, is_subscribed};
use pannier_contracts::{Envelope, EventId, Version};
use serde_json::value::RawValue;

use super::blocked::Blocked;
use super::set_aside::Refused;
use crate::Stop;
use crate::broker::{self, Broker, DEADLINE};
use crate::event_log::LoggedEvent;
use crate::telemetry::Metrics;
use crate::telemetry::traces::{self, Past};

pub(super) struct Publisher {
    connection: Connection,
    channel: Channel,
    exchange: String,
    /// The queues that are bound to the exchange.
    queues: Vec<String>,
    blocked: Blocked,
    metrics: Metrics,
    /// The exchange without the namespace, for metrics.
    word: &'static str,
    stop: Stop,
}

/// Consumers of a queue with more messages than this are behind: a new message would wait noticeably.
const MAX_QUEUED: u32 = 200;

impl Publisher {
    pub(super) async fn connect(
        broker: &Broker,
        exchange: &'static str,
        blocked: Blocked,
        metrics: Metrics,
        stop: Stop,
    ) -> anyhow::Result<Self> {
        let connection = broker.connect("relay").await?;
        let channel = broker.publishing_channel(&connection).await?;
        let bound = ROUTES.iter().filter(|route| route.exchange == exchange);
        let queues = bound.map(|route| broker.namespace.of(route.queue)).collect();
        let (word, exchange) = (exchange, broker.namespace.of(exchange));
        Ok(Self { connection, channel, exchange, queues, blocked, metrics, word, stop })
    }

    /// Publishes the events that a queue subscribes to. All are sent before the first confirm is awaited. Returns those that
    /// were refused.
    ///
    /// # Errors
    /// When the connection has to be replaced; then it is not known which of them were published.
    pub(super) async fn publish(&self, events: &[Arc<LoggedEvent>]) -> anyhow::Result<Vec<Refused>> {
        let wanted: Vec<_> = events.iter().filter(|event| is_subscribed(&event.kind)).cloned().collect();
        if wanted.is_empty() { Ok(Vec::new()) } else { self.publish_all(&wanted).await }
    }

    /// [`Self::publish`], also of events that no queue subscribes to any more.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub(super) async fn publish_all(&self, events: &[Arc<LoggedEvent>]) -> anyhow::Result<Vec<Refused>> {
        self.wait_until_unblocked().await?;
        let sent = futures::future::join_all(events.iter().map(|event| self.send(event)));
        let Ok(results) = tokio::time::timeout(DEADLINE * 2, sent).await else {
            self.ensure_usable().await?;
            anyhow::bail!("no confirms in {:?}", DEADLINE * 2);
        };
        let refused: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        if !refused.is_empty() {
            // When the connection was lost the broker has not refused anything.
            self.ensure_usable().await?;
        }
        self.metrics.sent(self.word, "confirmed", events.len() - refused.len());
        self.metrics.sent(self.word, "set_aside", refused.len());
        Ok(refused)
    }

    async fn send(&self, event: &LoggedEvent) -> Result<(), Refused> {
        let began = SystemTime::now();
        let sent = self.publish_one(event).await;
        self.trace(event, began);
        sent.map_err(|e: anyhow::Error| Refused { seq: event.seq, reason: format!("{e:#}") })
    }

    async fn publish_one(&self, event: &LoggedEvent) -> anyhow::Result<()> {
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
            // The stored text, without parsing it.
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
        let confirm = broker::with_deadline("publish", published).await?;
        let confirmation = broker::with_deadline("confirm", confirm).await?;
        broker::check_stored(confirmation).map_err(anyhow::Error::msg)
    }

    /// Two spans in the event's trace: from its commit until it was read, and until the broker has confirmed it.
    fn trace(&self, event: &LoggedEvent, began: SystemTime) {
        let Some(parent) = event.trace().filter(|trace| traces::is_on() && trace.is_sampled()) else { return };
        let past = |name: String, kind, began, ended, attributes| Past {
            name: name.into(),
            kind,
            began,
            ended,
            attributes,
            links: Vec::new(),
        };
        // By two clocks, the database's and this one; never negative.
        let committed = SystemTime::from(event.occurred_at).min(began);
        traces::record(
            Some(&parent),
            past(format!("tail {}", event.kind), SpanKind::Internal, committed, began, Vec::new()),
        );
        let attributes = vec![
            KeyValue::new("messaging.system", "rabbitmq"),
            KeyValue::new("messaging.operation.name", "publish"),
            KeyValue::new("messaging.destination.name", self.word),
            KeyValue::new("messaging.rabbitmq.destination.routing_key", event.kind.clone()),
        ];
        let published =
            past(format!("publish {}", event.kind), SpanKind::Producer, began, SystemTime::now(), attributes);
        traces::record(Some(&parent), published);
    }

    /// Waits while the broker has an alarm: it would never confirm.
    async fn wait_until_unblocked(&self) -> anyhow::Result<()> {
        while self.connection.status().blocked() {
            self.blocked.set(true);
            anyhow::ensure!(self.connection.status().connected(), "the connection is closed");
            tokio::select! {
                () = self.stop.cancelled() => anyhow::bail!("the broker was still blocked at the end"),
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
        }
        self.blocked.set(false);
        Ok(())
    }

    /// Whether no bound queue is too long. Queues without a consumer do not count.
    pub(super) async fn do_consumers_keep_up(&self) -> anyhow::Result<bool> {
        for queue in &self.queues {
            let declared = self.channel.queue_declare(
                queue.as_str().into(),
                QueueDeclareOptions { passive: true, ..Default::default() },
                FieldTable::default(),
            );
            let queue = broker::with_deadline("inspect a queue", declared).await?;
            if queue.consumer_count() > 0 && queue.message_count() > MAX_QUEUED {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the connection is open and not blocked.
    ///
    /// # Errors
    /// When it is not: a new one is needed.
    pub(super) async fn ensure_usable(&self) -> anyhow::Result<()> {
        let blocked = self.connection.status().blocked();
        self.blocked.set(blocked);
        anyhow::ensure!(!blocked, "the broker has an alarm");
        anyhow::ensure!(
            self.connection.status().connected() && self.channel.status().connected(),
            "the connection is closed"
        );
        Ok(())
    }

    pub(super) async fn close(self) {
        let _ = broker::with_deadline("close", self.connection.close(200, "done".into())).await;
    }
}
