//! The event log while it grows: reads what became visible and sends it to those that it concerns.
//!
//! Every process reads for itself, whichever process wrote. What became visible between two snapshots is a batch, ordered
//! by `seq`, so no event that commits late is lost and no aggregate's order is broken. Streams, waiting requests, the relay
//! and the dispatcher work on batches in memory; only one that lags behind reads the table.

mod event;
mod position;
mod read;
mod topics;
mod tx_snapshot;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

pub use self::event::LoggedEvent;
pub use self::position::Position;
pub(crate) use self::read::{by_seq, current_position, first_unseen, has_all_since, of_audience_since, page_between};
pub use self::read::{of_aggregates, timeline};
use self::topics::Topics;
pub use self::topics::{Batch, Lagged, Subscription};
pub use self::tx_snapshot::TxSnapshot;
use crate::db::Wakeup;
use crate::telemetry::traces;
use crate::{Db, Refusal, Stop};

/// The log of this service's database. Clones are the same log.
#[derive(Debug, Clone)]
pub struct EventLog {
    db: Db,
    /// A listener that is further behind than the capacity gets `Lagged`, and has to read the tables.
    events: broadcast::Sender<Arc<LoggedEvent>>,
    batches: broadcast::Sender<Arc<Batch>>,
    topics: Topics,
    /// `None` until the first poll.
    position: watch::Sender<Option<Position>>,
}

/// The least time between two polls: commits come in bursts, and a poll costs a statement.
const LINGER: Duration = Duration::from_millis(10);
/// The time between two polls while other processes write …
const BUSY_POLL: Duration = Duration::from_millis(20);
/// … growing to this while none does.
const IDLE_POLL: Duration = Duration::from_millis(250);

impl EventLog {
    /// The log in `db`. It reads nothing until [`Self::run`].
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self {
            db,
            events: broadcast::channel(4096).0,
            batches: broadcast::channel(256).0,
            topics: Topics::default(),
            position: watch::channel(None).0,
        }
    }

    /// Every event from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Arc<LoggedEvent>> {
        self.events.subscribe()
    }

    /// Every batch from now on.
    #[must_use]
    pub fn batches(&self) -> broadcast::Receiver<Arc<Batch>> {
        self.batches.subscribe()
    }

    /// Events of one topic from now on. A topic is an audience, or an aggregate's id as hyphenated text.
    #[must_use]
    pub fn subscribe(&self, topic: impl Into<String>) -> Subscription {
        self.topics.subscribe(topic.into())
    }

    /// How far the log has been read and sent. Waits for the first poll, at most 2 s.
    ///
    /// # Errors
    /// [`Refusal::Away`] when there was no poll in that time: the database cannot be read.
    pub async fn position(&self) -> Result<Position, Refusal> {
        let mut position = self.position.subscribe();
        let polled = tokio::time::timeout(Duration::from_secs(2), position.wait_for(Option::is_some)).await;
        match polled {
            Ok(Ok(position)) => Ok(position.clone().expect("waited for")),
            _ => Err(Refusal::Away {
                what: "the event log",
                code: "database_away",
                source: anyhow::anyhow!("the event log has not been read yet"),
            }),
        }
    }

    /// Reads what becomes visible and sends it to the listeners, until `stop`.
    pub async fn run(self, stop: Stop) {
        let wakeup = self.db.wakeup(Wakeup::EventLog);
        let mut pause = IDLE_POLL;
        let mut is_woken = false;
        let mut is_checked = false;
        loop {
            let polled_at = Instant::now();
            match self.poll(&mut is_checked).await {
                // Found without a commit of this process: another one writes.
                Ok(true) if !is_woken => pause = BUSY_POLL,
                Ok(_) => pause = (pause * 5 / 4).min(IDLE_POLL),
                Err(refusal) => {
                    is_checked = false;
                    tracing::warn!(error = ?refusal, "the event log cannot be read; trying again");
                }
            }
            is_woken = tokio::select! {
                () = stop.cancelled() => return,
                () = wakeup.notified() => true,
                () = tokio::time::sleep(pause) => false,
            };
            tokio::time::sleep_until(polled_at + LINGER).await;
        }
    }

    /// Reads once. True when there were events. `is_checked` says that the database is still the same cluster; it is false
    /// at first and after an error.
    async fn poll(&self, is_checked: &mut bool) -> Result<bool, Refusal> {
        let position = self.position.borrow().clone();
        let position = if *is_checked { position } else { self.check_cluster(position).await? };
        *is_checked = true;
        let Some(position) = position else { return Ok(false) };
        let (seen, db) = (Arc::clone(&position.seen), self.db.clone());
        let read = self.db.read(move |conn| {
            async move {
                let sent_at = std::time::Instant::now();
                let visible = read::visible_since(conn, &seen).await?;
                db.clock().set(sent_at, visible.time);
                Ok(visible)
            }
            .boxed()
        });
        let visible = read.await?;
        let to = Arc::new(visible.snapshot);
        let has_events = !visible.events.is_empty();
        if has_events {
            let events: Vec<_> = visible.events.into_iter().map(Arc::new).collect();
            if traces::is_on() {
                for event in &events {
                    event.traceparent.iter().for_each(|trace| traces::remember(event.aggregate_id, trace));
                }
            }
            let batch = Arc::new(Batch { events, from: Arc::clone(&position.seen), to: Arc::clone(&to) });
            self.topics.publish(&batch);
            // Sending fails when nobody listens.
            batch.events.iter().for_each(|event| drop(self.events.send(Arc::clone(event))));
            let _ = self.batches.send(batch);
        }
        self.position.send_replace(Some(Position { seen: to, ..position }));
        Ok(has_events)
    }

    /// Returns `position` if the database is still the cluster that it was read from. Otherwise the log starts again at its
    /// present end: after an error this may be another server, a promoted replica or a restored backup.
    async fn check_cluster(&self, position: Option<Position>) -> Result<Option<Position>, Refusal> {
        let now = self.db.read(|conn| current_position(conn).boxed()).await?;
        if let Some(position) = position.filter(|position| position.epoch == now.epoch) {
            return Ok(Some(position));
        }
        // What subscribers missed cannot be told from transaction ids of another cluster.
        self.topics.interrupt();
        self.position.send_replace(Some(now));
        Ok(None)
    }
}
