//! From committed rows to the broker: in order, confirms counted, the cursor moved only behind what is stored.
//!
//! A row that the broker does not take is set aside with its reason and a next time; rows behind it go on. Crashing at
//! any line costs a duplicate, never a loss, and consumers drop duplicates by version.

mod cursor;
mod publish;
mod set_aside;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

pub(crate) use self::cursor::backlog;
use self::cursor::{Cursor, Window};
use self::publish::Publisher;
use self::set_aside::SetAside;
use crate::broker::Broker;
use crate::event_log::{self, Batch, EventLog, LoggedEvent, TxSnapshot};
use crate::leases::Lease;
use crate::{Db, Instance, Refusal, Stop, retry};

/// Outstanding confirms: measured, a window of 256 publishes thirty times what one by one does.
const WINDOW: usize = 256;
/// The cursor is saved so long after it moved: a restart repeats what was published since.
const SAVE_AFTER: Duration = Duration::from_millis(250);
/// How soon the backlog is looked at again while consumers are behind.
const PAGE_WAIT: Duration = Duration::from_millis(50);
/// How often rows that were set aside are looked at, while there are any.
const SET_ASIDE_POLL: Duration = Duration::from_secs(1);

/// Publishes one service's events.
#[derive(Debug, Clone)]
pub struct Relay {
    db: Db,
    log: EventLog,
    broker: Broker,
    /// The owner's exchange: `order`.
    exchange: &'static str,
    blocked: Blocked,
}

/// Does the broker refuse to take messages at the moment (a disk or memory alarm)? For people.
#[derive(Debug, Clone)]
pub struct Blocked(Arc<watch::Sender<bool>>);

impl Default for Blocked {
    fn default() -> Self {
        Self(Arc::new(watch::channel(false).0))
    }
}

impl Blocked {
    /// True while the broker asks us not to publish.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        *self.0.borrow()
    }

    fn set(&self, is_blocked: bool) {
        if self.0.send_replace(is_blocked) != is_blocked {
            if is_blocked {
                tracing::warn!("the broker has an alarm and takes no messages; the relay waits");
            } else {
                tracing::info!("the broker takes messages again");
            }
        }
    }
}

impl Relay {
    /// A relay into `exchange`.
    #[must_use]
    pub fn new(db: Db, log: EventLog, broker: Broker, exchange: &'static str) -> Self {
        Self { db, log, broker, exchange, blocked: Blocked::default() }
    }

    /// Whether the broker refuses messages.
    #[must_use]
    pub fn blocked(&self) -> Blocked {
        self.blocked.clone()
    }

    /// Publishes while this process holds the relay lease, until `stop`.
    pub async fn run(self, holder: Instance, stop: Stop) {
        Lease::new(self.db.clone(), "relay", holder).run(stop, |held| self.clone().lead(held)).await;
    }

    async fn lead(self, held: Stop) {
        retry::until_ok(&held, "the relay", || async {
            let mut leading = Leading::start(&self, &held).await?;
            let ended = leading.publish_until_broken(&held).await;
            leading.leave().await;
            ended
        })
        .await;
    }
}

/// A relay that has the lease, a connection, and a place in the log.
///
/// What happens now goes out as it is heard. What happened while nobody published is read from the table, window by
/// window inside one snapshot, and goes out beside it, no faster than it is consumed: a fresh order does not queue
/// behind an outage.
struct Leading<'a> {
    relay: &'a Relay,
    publisher: Publisher,
    batches: broadcast::Receiver<Arc<Batch>>,
    cursor: Cursor,
    /// What was heard and published beside a window.
    heard: Option<TxSnapshot>,
    /// Something went unheard: another window is needed after this one.
    has_missed: bool,
    /// When the cursor moved first since it was saved.
    moved_at: Option<Instant>,
    set_aside: SetAside,
}

impl<'a> Leading<'a> {
    async fn start(relay: &'a Relay, held: &Stop) -> anyhow::Result<Self> {
        let publisher = Publisher::connect(&relay.broker, relay.exchange, relay.blocked.clone(), held.clone()).await?;
        let cursor = cursor::load(&relay.db).await?;
        tracing::info!("the relay publishes into {}", relay.exchange);
        Ok(Self {
            relay,
            publisher,
            // Listening begins before the first window ends, so nothing happens in between unheard.
            batches: relay.log.batches(),
            cursor,
            heard: None,
            has_missed: true,
            moved_at: None,
            set_aside: SetAside::new(relay.db.clone()),
        })
    }

    /// Publishes until `held` ends.
    async fn publish_until_broken(&mut self, held: &Stop) -> anyhow::Result<()> {
        let (mut set_aside_at, mut page_at) = (Instant::now(), Instant::now());
        loop {
            let save_at = self.moved_at.map(|at| at + SAVE_AFTER);
            let has_backlog = self.has_missed || self.cursor.window.is_some();
            tokio::select! {
                biased;
                () = held.cancelled() => return Ok(()),
                batch = self.batches.recv() => match batch {
                    Ok(batch) => self.publish_batch(&batch).await?,
                    Err(RecvError::Lagged(_)) => self.has_missed = true,
                    Err(RecvError::Closed) => return Ok(()),
                },
                () = tokio::time::sleep_until(page_at), if has_backlog => {
                    let is_consumed = self.publisher.is_consumed().await?;
                    if is_consumed {
                        self.publish_page().await?;
                    }
                    page_at = Instant::now() + if is_consumed { Duration::ZERO } else { PAGE_WAIT };
                }
                () = tokio::time::sleep_until(save_at.unwrap_or(set_aside_at)), if save_at.is_some() => self.save().await?,
                () = tokio::time::sleep_until(set_aside_at) => {
                    self.publisher.check().await?;
                    self.try_set_aside().await?;
                    set_aside_at = Instant::now() + SET_ASIDE_POLL;
                }
            }
        }
    }

    /// Publishes the next page of what happened while nobody did.
    async fn publish_page(&mut self) -> anyhow::Result<()> {
        let Some(window) = self.window().await? else { return Ok(()) };
        let (done, of) = (self.cursor.done.clone(), window.clone());
        let page = self
            .relay
            .db
            .read(move |conn| {
                async move { event_log::page_between(conn, &done, &of.end, of.seq, WINDOW as i64).await }.boxed()
            })
            .await?;
        let (is_last, last) = (page.len() < WINDOW, page.last().map(|event| event.seq));
        let events: Vec<_> = page.into_iter().map(Arc::new).collect();
        self.publish(&events).await?;
        match last {
            Some(seq) if !is_last => self.cursor.window = Some(Window { seq, ..window }),
            _ => {
                // What was heard meanwhile follows without a gap, unless something went unheard.
                let heard = self.heard.take().filter(|heard| !self.has_missed && heard.is_after(&window.end));
                self.cursor.done = heard.unwrap_or(window.end);
                self.cursor.window = None;
            }
        }
        Ok(self.save().await?)
    }

    /// The window that is open, or a new one up to now; `None` when there is nothing in it.
    async fn window(&mut self) -> anyhow::Result<Option<Window>> {
        if let Some(window) = &self.cursor.window {
            return Ok(Some(window.clone()));
        }
        self.has_missed = false;
        let done = self.cursor.done.clone();
        let read = self.relay.db.read(move |conn| {
            async move { Ok((event_log::now(conn).await?.0, event_log::first_unseen(conn, &done).await?)) }.boxed()
        });
        let (end, first) = read.await.inspect_err(|_| self.has_missed = true)?;
        if first == i64::MAX {
            return Ok(None);
        }
        self.cursor.window = Some(Window { end, seq: first - 1 });
        Ok(self.cursor.window.clone())
    }

    /// Publishes what just became visible, except what the open window has.
    async fn publish_batch(&mut self, batch: &Batch) -> anyhow::Result<()> {
        let done = self.cursor.window.as_ref().map_or(&self.cursor.done, |window| &window.end);
        let unseen: Vec<_> = batch.events.iter().filter(|event| !done.sees(event.tx())).cloned().collect();
        for window in unseen.chunks(WINDOW) {
            self.publish(window).await?;
        }
        if self.cursor.window.is_some() || self.has_missed {
            self.heard = Some((*batch.to).clone());
        } else if batch.to.is_after(&self.cursor.done) {
            self.cursor.done = (*batch.to).clone();
            self.moved_at.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// Publishes these, and notes which the broker did not take before anything says that they are done.
    async fn publish(&mut self, events: &[Arc<LoggedEvent>]) -> anyhow::Result<()> {
        let refused = self.publisher.publish(events).await?;
        Ok(self.set_aside.add(refused).await?)
    }

    async fn try_set_aside(&mut self) -> anyhow::Result<()> {
        let due: Vec<_> = self.set_aside.due().await?.into_iter().map(Arc::new).collect();
        if due.is_empty() {
            return Ok(());
        }
        let refused = self.publisher.publish_all(&due).await?;
        Ok(self.set_aside.settle(&due, refused).await?)
    }

    async fn save(&mut self) -> Result<(), Refusal> {
        cursor::save(&self.relay.db, self.cursor.clone()).await?;
        self.moved_at = None;
        Ok(())
    }

    /// Ends well: what was published is not published again.
    async fn leave(mut self) {
        if self.moved_at.is_some() {
            // Not saved is no harm: it is published twice.
            let _ = self.save().await;
        }
        self.publisher.close().await;
    }
}
