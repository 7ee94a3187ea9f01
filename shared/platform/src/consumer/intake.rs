//! Taking messages from a queue: in small batches, held while a dependency is away, acknowledged behind their effect.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tokio::time::Instant;

use super::apply::{apply, read};
use super::park::park;
use super::{Handler, Processed};
use crate::broker::{self, Broker};
use crate::retention::RetentionPeriods;
use crate::{Db, Refusal, Stop, retry};

/// Messages in hand per consumer.
const PREFETCH: u16 = 32;
/// Messages in one transaction: it holds the locks of all of them until it commits, and taps wait for those.
const BATCH: usize = 16;
/// A message is held for so long while a dependency is away, then it goes back to the queue: once, because every
/// return counts towards the broker's delivery limit, and the broker closes channels that hold messages longer.
const HELD_AT_MOST: Duration = Duration::from_secs(20 * 60);

/// When the database is asked whether it answers again: after 100 ms, 200 ms … 2 s, for ever.
const PROBES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(2))
    .without_max_times();

/// Consumes `H`'s queue until `stop`, reconnecting as long as it takes.
pub async fn run<H: Handler>(db: Db, broker: Broker, periods: RetentionPeriods, handler: H, stop: Stop) {
    let handler = Arc::new(handler);
    retry::until_ok(&stop, &format!("consumer of {}", H::QUEUE), || async {
        let mut intake = Intake::open(&db, &broker, periods, &handler).await?;
        let ended = intake.consume(&stop).await;
        intake.close().await;
        ended
    })
    .await;
}

struct Intake<H> {
    db: Db,
    periods: RetentionPeriods,
    handler: Arc<H>,
    connection: Connection,
    channel: Channel,
    queue: String,
    messages: Consumer,
}

/// What became of messages that were handled.
enum Handled {
    /// They can be acknowledged.
    Done,
    /// The process stops: they go back with the connection.
    Stopped,
}

impl<H: Handler> Intake<H> {
    async fn open(db: &Db, broker: &Broker, periods: RetentionPeriods, handler: &Arc<H>) -> anyhow::Result<Self> {
        let connection = broker.connect(H::QUEUE).await?;
        let channel = broker.publishing_channel(&connection).await?;
        broker::in_time("set prefetch", channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
        let queue = broker.namespace.of(H::QUEUE);
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consuming = channel.basic_consume(queue.as_str().into(), "".into(), options, arguments);
        let messages = broker::in_time("consume", consuming).await?;
        tracing::info!(queue = H::QUEUE, "consuming {}", H::QUEUE);
        Ok(Self { db: db.clone(), periods, handler: Arc::clone(handler), connection, channel, queue, messages })
    }

    /// What is in hand and not acknowledged goes back to the queue with the connection.
    async fn close(self) {
        let _ = broker::in_time("close", self.connection.close(200, "done".into())).await;
    }

    async fn consume(&mut self, stop: &Stop) -> anyhow::Result<()> {
        let mut next_at = Instant::now();
        loop {
            let first = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                message = self.messages.next() => message,
            };
            let mut batch = vec![first.ok_or_else(|| anyhow::anyhow!("the broker ended the subscription"))??];
            while batch.len() < BATCH {
                match tokio::time::timeout_at(next_at, self.messages.next()).await {
                    Ok(message) => {
                        batch.push(message.ok_or_else(|| anyhow::anyhow!("the broker ended the subscription"))??)
                    }
                    Err(_) => break,
                }
            }
            next_at = Instant::now() + H::LINGER;
            match self.handle(&batch, stop).await? {
                Handled::Done => {}
                Handled::Stopped => return Ok(()),
            }
            // Everything up to the last one is done: one acknowledgement for all.
            if let Some(last) = batch.last() {
                let ack = last.acker.ack(BasicAckOptions { multiple: true });
                broker::in_time("acknowledge", ack).await?;
            }
        }
    }

    /// Handles a batch in one transaction; if that fails, one by one.
    async fn handle(&self, batch: &[Delivery], stop: &Stop) -> anyhow::Result<Handled> {
        let mut events = Vec::with_capacity(batch.len());
        for message in batch {
            match read::<H>(&message.data, self.periods) {
                Ok(event) => events.push((message, Arc::new(event))),
                Err(refusal) => park(&self.channel, &self.queue, message, &refusal).await?,
            }
        }
        let all: Vec<_> = events.iter().map(|(_, event)| Arc::clone(event)).collect();
        if all.is_empty() {
            return Ok(Handled::Done);
        }
        match self.in_hand(all, batch, stop).await? {
            Held::Applied => return Ok(Handled::Done),
            Held::Stopped => return Ok(Handled::Stopped),
            Held::Failed(refusal) if events.len() == 1 => {
                park(&self.channel, &self.queue, events[0].0, &refusal).await?;
                return Ok(Handled::Done);
            }
            Held::Failed(refusal) => {
                tracing::warn!(queue = H::QUEUE, error = ?refusal, "a batch failed; its messages are handled one by one");
            }
        }
        for (message, event) in events {
            match self.in_hand(vec![event], batch, stop).await? {
                Held::Applied => {}
                Held::Stopped => return Ok(Handled::Stopped),
                Held::Failed(refusal) => park(&self.channel, &self.queue, message, &refusal).await?,
            }
        }
        Ok(Handled::Done)
    }

    /// Applies events, and holds them as long as a dependency is away: that is no failure of theirs, and is not counted.
    async fn in_hand(
        &self,
        events: Vec<Arc<super::apply::Event<H::Snapshot>>>,
        batch: &[Delivery],
        stop: &Stop,
    ) -> anyhow::Result<Held> {
        let since = Instant::now();
        loop {
            let refusal = match apply(&self.db, &self.handler, events.clone()).await {
                Ok(processed) => {
                    if processed.contains(&Processed::Obsolete) {
                        tracing::debug!(queue = H::QUEUE, "dropped news that is not newer");
                    }
                    return Ok(Held::Applied);
                }
                Err(refusal @ (Refusal::Away { .. } | Refusal::Conflict)) => refusal,
                Err(refusal) => return Ok(Held::Failed(refusal)),
            };
            tracing::warn!(queue = H::QUEUE, error = ?refusal, held = events.len(), "holding news: a dependency is away");
            if since.elapsed() > HELD_AT_MOST {
                if let Some(last) = batch.last() {
                    let back = BasicNackOptions { requeue: true, multiple: true };
                    broker::in_time("put back", last.acker.nack(back)).await?;
                }
                anyhow::bail!("a dependency was away for {HELD_AT_MOST:?}");
            }
            anyhow::ensure!(self.connection.status().connected(), "the connection was lost while news was held");
            if !until_database_answers(&self.db, stop).await {
                return Ok(Held::Stopped);
            }
        }
    }
}

enum Held {
    Applied,
    Failed(Refusal),
    Stopped,
}

/// Waits a moment, then until the database answers; false when the process stops.
async fn until_database_answers(db: &Db, stop: &Stop) -> bool {
    for delay in PROBES.build() {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(delay) => {}
        }
        if db.ping().await.is_ok() {
            return true;
        }
    }
    false
}
