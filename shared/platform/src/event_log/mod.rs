//! The event log as it grows: a tail that reads what became visible and tells whoever it concerns.
//!
//! Every process tails for itself, whoever wrote. What became visible between two snapshots is a batch, ordered by `seq`
//! inside: nothing that commits late is lost, and no aggregate's order is broken. Streams, waits, the relay and the
//! dispatcher live on batches in memory; only who was away for longer reads the table.

mod read;
mod topics;
mod tx_snapshot;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

pub use self::read::{LoggedEvent, newest_trace, timeline};
pub(crate) use self::read::{first_unseen, has_all_since, now, of_audience_since, page_between, these};
use self::topics::Topics;
pub use self::topics::{Lagged, Subscription, TopicBatch};
pub use self::tx_snapshot::TxSnapshot;
use crate::db::Wakeup;
use crate::{Db, Refusal, Stop};

/// What became visible between two looks.
#[derive(Debug)]
pub struct Batch {
    /// The events, in the order to show them in; never none.
    pub events: Vec<Arc<LoggedEvent>>,
    /// What was visible before.
    pub from: Arc<TxSnapshot>,
    /// What is visible with them.
    pub to: Arc<TxSnapshot>,
}

/// Where the tail is.
#[derive(Debug, Clone)]
pub struct Position {
    /// What has been told to everybody.
    pub seen: Arc<TxSnapshot>,
    /// The cluster whose transaction ids these are: a cursor of another one says nothing.
    pub epoch: Arc<str>,
}

/// The log of this service's database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventLog {
    db: Db,
    /// Bounded: a listener that lags behind by this many has to look at the tables.
    events: broadcast::Sender<Arc<LoggedEvent>>,
    batches: broadcast::Sender<Arc<Batch>>,
    topics: Topics,
    position: watch::Sender<Option<Position>>,
}

/// Two looks are at least so far apart: commits come in crowds, and a look costs a statement.
const LINGER: Duration = Duration::from_millis(10);
/// How soon a look follows when other processes write, too …
const BUSY_POLL: Duration = Duration::from_millis(20);
/// … and when nobody does.
const IDLE_POLL: Duration = Duration::from_millis(250);

impl EventLog {
    /// A log over `db`; [`Self::run`] makes it live.
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

    /// Events of one subject from now on: an audience, or an aggregate's id as hyphenated text.
    #[must_use]
    pub fn subscribe(&self, topic: impl Into<String>) -> Subscription {
        self.topics.subscribe(topic.into())
    }

    /// Where the tail is; waits until the log is live.
    ///
    /// # Errors
    /// `Away` when it does not become live in time: the database cannot be read.
    pub async fn position(&self) -> Result<Position, Refusal> {
        let mut position = self.position.subscribe();
        let live = tokio::time::timeout(Duration::from_secs(2), position.wait_for(Option::is_some)).await;
        match live {
            Ok(Ok(position)) => Ok(position.clone().expect("waited for")),
            _ => Err(Refusal::Away {
                what: "the event log",
                code: "database_away",
                source: anyhow::anyhow!("the event log is not live yet"),
            }),
        }
    }

    /// Tells listeners what becomes visible, until `stop`.
    pub async fn run(self, stop: Stop) {
        let wakeup = self.db.wakeup(Wakeup::EventLog);
        let mut poll = IDLE_POLL;
        let mut is_woken = false;
        let mut is_sure = false;
        loop {
            let looked_at = Instant::now();
            match self.look(&mut is_sure).await {
                // Found without a commit of this process: another one writes.
                Ok(true) if !is_woken => poll = BUSY_POLL,
                Ok(_) => poll = (poll * 5 / 4).min(IDLE_POLL),
                Err(refusal) => {
                    is_sure = false;
                    tracing::warn!(error = ?refusal, "the event log cannot be read; trying again");
                }
            }
            is_woken = tokio::select! {
                () = stop.cancelled() => return,
                () = wakeup.notified() => true,
                () = tokio::time::sleep(poll) => false,
            };
            tokio::time::sleep_until(looked_at + LINGER).await;
        }
    }

    /// One look; true when there was something.
    async fn look(&self, is_sure: &mut bool) -> Result<bool, Refusal> {
        let position = self.position.borrow().clone();
        let Some(position) = (if *is_sure { position } else { self.same_cluster(position).await? }) else {
            *is_sure = true;
            return Ok(false);
        };
        *is_sure = true;
        let seen = Arc::clone(&position.seen);
        let db = self.db.clone();
        let read = self.db.read(move |conn| {
            async move {
                let sent_at = std::time::Instant::now();
                let (events, next, time) = read::since(conn, &seen).await?;
                db.clock().set(sent_at, time);
                Ok((events, next))
            }
            .boxed()
        });
        let (events, next) = read.await?;
        let found = !events.is_empty();
        let to = Arc::new(next);
        if found {
            let events: Vec<_> = events.into_iter().map(Arc::new).collect();
            let batch = Arc::new(Batch { events, from: Arc::clone(&position.seen), to: Arc::clone(&to) });
            self.topics.tell(&batch);
            // Nobody listening is fine.
            batch.events.iter().for_each(|event| drop(self.events.send(Arc::clone(event))));
            let _ = self.batches.send(batch);
        }
        self.position.send_replace(Some(Position { seen: to, ..position }));
        Ok(found)
    }

    /// The position, if its transaction ids still mean something; otherwise the log begins anew, here. After a trouble we
    /// may be talking to another server: a replica that was promoted, a backup that was restored.
    async fn same_cluster(&self, position: Option<Position>) -> Result<Option<Position>, Refusal> {
        let (seen, epoch) = self.db.read(|conn| now(conn).boxed()).await?;
        if let Some(position) = position.filter(|position| *position.epoch == *epoch) {
            return Ok(Some(position));
        }
        // Whoever listens has missed something that nobody can tell.
        self.topics.forget();
        self.position.send_replace(Some(Position { seen: Arc::new(seen), epoch: epoch.into() }));
        Ok(None)
    }
}
