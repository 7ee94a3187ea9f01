//! From committed rows to the broker: positions in order, confirms counted, nothing marked before it is stored.
//!
//! A row that cannot go out is set aside with its reason and a next time; rows behind it go on. Crashing at any line
//! costs a duplicate, never a loss, and consumers drop duplicates by version.

use std::time::Duration;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Connection};
use pannier_contracts::{Envelope, EventId, Version};
use uuid::Uuid;

use crate::broker::{self, Broker, DEADLINE};
use crate::event_log::{EventLog, LoggedEvent};
use crate::leases::Lease;
use crate::schema::events;
use crate::{Db, Refusal, Stop};

/// Outstanding confirms: measured, a window of 256 publishes thirty times what one by one does.
const WINDOW: i64 = 256;
const POLL: Duration = Duration::from_millis(500);

/// Publishes one service's events.
#[derive(Debug, Clone)]
pub struct Relay {
    db: Db,
    log: EventLog,
    broker: Broker,
    /// The owner's exchange: `order`.
    exchange: &'static str,
}

enum Fate {
    Stored(Uuid),
    SetAside(Uuid, String),
}

impl Relay {
    /// A relay into `exchange`.
    #[must_use]
    pub fn new(db: Db, log: EventLog, broker: Broker, exchange: &'static str) -> Self {
        Self { db, log, broker, exchange }
    }

    /// Publishes while this process holds the relay lease, until `stop`.
    pub async fn run(self, holder: String, stop: Stop) {
        Lease::new(self.db.clone(), "relay", holder).run(stop, |held| self.clone().lead(held)).await;
    }

    async fn lead(self, held: Stop) {
        let mut wait = Duration::from_millis(200);
        while !held.is_cancelled() {
            match self.publish_until_broken(&held, &mut wait).await {
                Ok(()) => return,
                Err(e) => tracing::warn!(error = format!("{e:#}"), "the broker is away; the relay tries again"),
            }
            tokio::select! {
                () = held.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }

    async fn publish_until_broken(&self, held: &Stop, wait: &mut Duration) -> anyhow::Result<()> {
        let connection = self.broker.connect("relay").await?;
        let channel = self.broker.publishing_channel(&connection).await?;
        *wait = Duration::from_millis(200);
        tracing::info!("the relay publishes into {}", self.exchange);
        let mut positions = self.log.positions();
        loop {
            positions.borrow_and_update();
            let more = self.turn(&connection, &channel).await?;
            if held.is_cancelled() {
                let _ = broker::in_time("close", connection.close(200, "stopping".into())).await;
                return Ok(());
            }
            if more {
                continue;
            }
            tokio::select! {
                () = held.cancelled() => {}
                _ = positions.changed() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Publishes one window; true when there may be more.
    async fn turn(&self, connection: &Connection, channel: &Channel) -> anyhow::Result<bool> {
        let rows = match self.db.read(|conn| async move { Ok(due(conn).await?) }.boxed()).await {
            Ok(rows) => rows,
            Err(refusal) => {
                tracing::warn!(error = ?refusal, "the relay cannot read");
                return Ok(false);
            }
        };
        if rows.is_empty() {
            anyhow::ensure!(connection.status().connected(), "the connection is gone");
            return Ok(false);
        }
        let full = rows.len() as i64 == WINDOW;
        // Sent first, awaited after: one deadline for the whole window.
        let sent = futures::future::join_all(rows.into_iter().map(|row| self.send(channel, row)));
        let fates = tokio::time::timeout(DEADLINE * 2, sent).await?;
        let broken = fates.iter().any(|f| matches!(f, Fate::SetAside(..)));
        self.settle(fates).await?;
        if broken {
            anyhow::ensure!(connection.status().connected() && channel.status().connected(), "the connection broke");
        }
        Ok(full)
    }

    async fn send(&self, channel: &Channel, row: LoggedEvent) -> Fate {
        let id = row.event_id;
        let sent = async {
            let mut headers = FieldTable::default();
            if let Some(traceparent) = &row.traceparent {
                headers.insert("traceparent".into(), AMQPValue::LongString(LongString::from(traceparent.as_str())));
            }
            let key = row.kind.clone();
            let body = serde_json::to_vec(&Envelope {
                event_id: EventId(row.event_id),
                kind: row.kind,
                aggregate: row.aggregate,
                aggregate_id: row.aggregate_id,
                version: Version(row.version),
                occurred_at: row.occurred_at,
                traceparent: row.traceparent,
                actor: row.actor,
                data: row.data,
            })?;
            let properties = BasicProperties::default()
                .with_delivery_mode(2)
                .with_content_type("application/json".into())
                .with_message_id(EventId(id).to_string().into())
                .with_headers(headers);
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            let exchange = self.broker.namespace.of(self.exchange);
            let confirm = broker::in_time(
                "publish",
                channel.basic_publish(exchange.as_str().into(), key.as_str().into(), options, &body, properties),
            )
            .await?;
            let confirmation = broker::in_time("confirm", confirm).await?;
            broker::stored(confirmation).map_err(anyhow::Error::msg)
        };
        match sent.await {
            Ok(()) => Fate::Stored(id),
            Err(e) => Fate::SetAside(id, format!("{e:#}")),
        }
    }

    async fn settle(&self, fates: Vec<Fate>) -> Result<(), Refusal> {
        let mut stored = Vec::new();
        let mut aside = Vec::new();
        for fate in fates {
            match fate {
                Fate::Stored(id) => stored.push(id),
                Fate::SetAside(id, why) => aside.push((id, why)),
            }
        }
        self.db
            .transaction(move |conn| {
                let (stored, aside) = (stored.clone(), aside.clone());
                async move {
                    diesel::update(events::table)
                        .filter(events::event_id.eq_any(stored))
                        .filter(events::published_at.is_null())
                        .set(events::published_at.eq(diesel::dsl::now))
                        .execute(conn)
                        .await?;
                    for (id, why) in aside {
                        // 1 s, 2 s, 4 s … 64 s: long enough to spare the broker, short enough to be over soon after it is back.
                        diesel::sql_query(
                            "UPDATE events SET attempts = attempts + 1, last_error = $2,
                                    next_attempt_at = clock_timestamp() + least(64, power(2, least(attempts, 6))) * interval '1 s'
                             WHERE event_id = $1 AND published_at IS NULL",
                        )
                        .bind::<diesel::sql_types::Uuid, _>(id)
                        .bind::<diesel::sql_types::Text, _>(why)
                        .execute(conn)
                        .await?;
                    }
                    Ok(())
                }
                .boxed()
            })
            .await
    }
}

async fn due(conn: &mut crate::Conn) -> QueryResult<Vec<LoggedEvent>> {
    events::table
        .filter(events::subscribed.and(events::published_at.is_null()).and(events::position.is_not_null()))
        .filter(
            events::next_attempt_at
                .is_null()
                .or(events::next_attempt_at
                    .lt(diesel::dsl::now.into_sql::<diesel::sql_types::Timestamptz>().nullable())),
        )
        .order(events::position)
        .limit(WINDOW)
        .select(LoggedEvent::as_select())
        .load(conn)
        .await
}
