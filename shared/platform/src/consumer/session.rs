//! One session with the broker: takes messages in small batches, applies them, acknowledges what is committed, and holds
//! messages while a dependency is away.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tokio::time::Instant;

use super::apply::{ReceivedEvent, apply, parse};
use super::handler::{Handler, Processed};
use super::park::park;
use crate::broker::{self, Broker};
use crate::retention::RetentionPeriods;
use crate::telemetry::metrics::Counted;
use crate::{Db, Refusal, Stop, retry};

/// Unacknowledged messages per consumer.
const PREFETCH: u16 = 32;
/// Messages in one transaction. It holds the locks of all of them until it commits, and riders' taps wait for those.
const BATCH: usize = 16;
/// How long a message is held while a dependency is away; then it goes back to the queue. Holding it longer is no use, as
/// the broker closes channels that do; returning it sooner counts towards the broker's delivery limit.
const MAX_HOLD: Duration = Duration::from_secs(20 * 60);

/// Delays before the database is asked whether it answers again: 100 ms, 200 ms … 2 s, for ever.
const PROBES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(2))
    .without_max_times();

/// Consumes `H`'s queue until `stop`. Reconnects after every failure.
pub async fn run<H: Handler>(db: Db, broker: Broker, periods: RetentionPeriods, handler: H, stop: Stop) {
    let handler = Arc::new(handler);
    db.metrics().expect_consumer(H::QUEUE);
    retry::until_ok(&stop, &format!("the consumer of {}", H::QUEUE), || async {
        let mut session = Session::open(&db, &broker, periods, &handler).await?;
        let ended = session.consume(&stop).await;
        session.close().await;
        ended
    })
    .await;
}

struct Session<H> {
    db: Db,
    periods: RetentionPeriods,
    handler: Arc<H>,
    connection: Connection,
    channel: Channel,
    queue: String,
    messages: Consumer,
    _counted: Counted,
}

/// How applying messages ended.
enum Outcome {
    Applied,
    /// None of them was applied, and trying again will not help.
    Failed(Refusal),
    /// The process stops; they go back to the queue with the connection.
    Stopped,
}

impl<H: Handler> Session<H> {
    async fn open(db: &Db, broker: &Broker, periods: RetentionPeriods, handler: &Arc<H>) -> anyhow::Result<Self> {
        let connection = broker.connect(H::QUEUE).await?;
        let channel = broker.publishing_channel(&connection).await?;
        broker::with_deadline("set prefetch", channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
        let queue = broker.namespace.of(H::QUEUE);
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consuming = channel.basic_consume(queue.as_str().into(), "".into(), options, arguments);
        let messages = broker::with_deadline("consume", consuming).await?;
        tracing::info!(queue = H::QUEUE, "consuming {}", H::QUEUE);
        let counted = db.metrics().consuming(H::QUEUE);
        let (db, handler) = (db.clone(), Arc::clone(handler));
        Ok(Self { db, periods, handler, connection, channel, queue, messages, _counted: counted })
    }

    /// Unacknowledged messages go back to the queue with the connection.
    async fn close(self) {
        let _ = broker::with_deadline("close", self.connection.close(200, "done".into())).await;
    }

    /// Consumes until `stop`; then `Ok`.
    async fn consume(&mut self, stop: &Stop) -> anyhow::Result<()> {
        let mut next_at = Instant::now();
        loop {
            let batch = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                batch = self.next_batch(next_at) => batch?,
            };
            next_at = Instant::now() + H::LINGER;
            if self.handle(&batch, stop).await?.is_break() {
                return Ok(());
            }
            // One acknowledgement for the last and all before it.
            if let Some(last) = batch.last() {
                let ack = last.acker.ack(BasicAckOptions { multiple: true });
                broker::with_deadline("acknowledge", ack).await?;
            }
        }
    }

    /// Waits for a message, then takes those that arrive until `full_at`, at most [`BATCH`].
    async fn next_batch(&mut self, full_at: Instant) -> anyhow::Result<Vec<Delivery>> {
        let ended = "the broker ended the subscription";
        let mut batch = vec![self.messages.next().await.context(ended)??];
        while batch.len() < BATCH {
            match tokio::time::timeout_at(full_at, self.messages.next()).await {
                Ok(message) => batch.push(message.context(ended)??),
                Err(_) => break,
            }
        }
        Ok(batch)
    }

    /// Applies a batch in one transaction; if that fails, each message by itself. `Continue`: they can be acknowledged.
    async fn handle(&self, batch: &[Delivery], stop: &Stop) -> anyhow::Result<ControlFlow<()>> {
        let mut events = Vec::with_capacity(batch.len());
        for message in batch {
            match parse::<H>(&message.data, self.periods) {
                Ok(event) => events.push((message, Arc::new(event))),
                Err(refusal) => self.park(message, &refusal).await?,
            }
        }
        if events.len() > 1 {
            let all = events.iter().map(|(_, event)| Arc::clone(event)).collect();
            match self.apply_or_hold(all, batch, stop).await? {
                Outcome::Applied => return Ok(ControlFlow::Continue(())),
                Outcome::Stopped => return Ok(ControlFlow::Break(())),
                Outcome::Failed(refusal) => {
                    tracing::warn!(queue = H::QUEUE, error = ?refusal, "a batch failed; its messages are handled one by one");
                }
            }
        }
        for (message, event) in events {
            match self.apply_or_hold(vec![event], batch, stop).await? {
                Outcome::Applied => {}
                Outcome::Stopped => return Ok(ControlFlow::Break(())),
                Outcome::Failed(refusal) => self.park(message, &refusal).await?,
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn park(&self, message: &Delivery, why: &Refusal) -> anyhow::Result<()> {
        self.db.metrics().messages(H::QUEUE, "parked", 1);
        park(&self.channel, &self.queue, message, why).await
    }

    /// Applies events. While a dependency is away it holds them and tries again, without counting that as a failure.
    async fn apply_or_hold(
        &self,
        events: Vec<Arc<ReceivedEvent<H::Snapshot>>>,
        batch: &[Delivery],
        stop: &Stop,
    ) -> anyhow::Result<Outcome> {
        let since = Instant::now();
        loop {
            let refusal = match apply(&self.db, &self.handler, events.clone()).await {
                Ok(processed) => {
                    let metrics = self.db.metrics();
                    for (outcome, word) in [(Processed::Applied, "applied"), (Processed::Obsolete, "obsolete")] {
                        metrics.messages(H::QUEUE, word, processed.iter().filter(|p| **p == outcome).count());
                    }
                    metrics.processed(H::QUEUE, since.elapsed());
                    return Ok(Outcome::Applied);
                }
                Err(refusal @ (Refusal::Away { .. } | Refusal::Conflict)) => refusal,
                Err(refusal) => return Ok(Outcome::Failed(refusal)),
            };
            tracing::warn!(queue = H::QUEUE, error = ?refusal, held = events.len(), "holding messages: a dependency is away");
            if since.elapsed() > MAX_HOLD {
                if let Some(last) = batch.last() {
                    let back = BasicNackOptions { requeue: true, multiple: true };
                    broker::with_deadline("return messages", last.acker.nack(back)).await?;
                }
                anyhow::bail!("a dependency was away for {MAX_HOLD:?}");
            }
            anyhow::ensure!(self.connection.status().connected(), "the connection was lost while messages were held");
            if !until_database_answers(&self.db, stop).await {
                return Ok(Outcome::Stopped);
            }
        }
    }
}

/// Waits at least 100 ms, then until the database answers. False when the process stops.
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
