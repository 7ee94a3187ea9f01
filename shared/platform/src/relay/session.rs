//! One session of the relay: it holds the lease, a connection and the cursor.
//!
//! New events are published as the event log reads them. Events from before the session, or missed in it, are read from the
//! table page by page inside a fixed window, and published beside the new ones, no faster than they are consumed: a new
//! order does not queue behind an outage's backlog.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::cursor::{self, Cursor, Window};
use super::publisher::Publisher;
use super::set_aside::SetAside;
use crate::event_log::{self, Batch, EventLog, LoggedEvent, TxSnapshot};
use crate::{Db, Refusal, Stop};

/// Events that are sent before their confirms are awaited. Measured: thirty times the throughput of one by one.
const BATCH: usize = 256;
/// How long after it moved the cursor is saved. A restart publishes again what was published since.
const SAVE_AFTER: Duration = Duration::from_millis(250);
/// The pause before the next page of the window while consumers are behind.
const PAGE_PAUSE: Duration = Duration::from_millis(50);
/// How often events that were set aside are looked for.
const SET_ASIDE_POLL: Duration = Duration::from_secs(1);

pub(super) struct Session {
    db: Db,
    publisher: Publisher,
    batches: broadcast::Receiver<Arc<Batch>>,
    cursor: Cursor,
    /// The newest snapshot whose batch was published while a window was open.
    published: Option<TxSnapshot>,
    /// Batches were missed since the window was opened, so another one has to follow.
    has_gap: bool,
    /// Since when the cursor differs from the saved one.
    unsaved_since: Option<Instant>,
    set_aside: SetAside,
}

impl Session {
    pub(super) async fn start(db: Db, log: &EventLog, publisher: Publisher) -> Result<Self, Refusal> {
        let cursor = cursor::load(&db).await?;
        Ok(Self {
            publisher,
            // Before the first window is opened, so that no event is in neither.
            batches: log.batches(),
            cursor,
            published: None,
            has_gap: true,
            unsaved_since: None,
            set_aside: SetAside::new(db.clone()),
            db,
        })
    }

    /// Publishes until `held` is cancelled; then `Ok`.
    pub(super) async fn publish(&mut self, held: &Stop) -> anyhow::Result<()> {
        let (mut set_aside_at, mut page_at) = (Instant::now(), Instant::now());
        loop {
            let save_at = self.unsaved_since.map(|at| at + SAVE_AFTER);
            let has_backlog = self.has_gap || self.cursor.window.is_some();
            tokio::select! {
                biased;
                () = held.cancelled() => return Ok(()),
                batch = self.batches.recv() => match batch {
                    Ok(batch) => self.publish_batch(&batch).await?,
                    Err(RecvError::Lagged(_)) => self.has_gap = true,
                    Err(RecvError::Closed) => return Ok(()),
                },
                () = tokio::time::sleep_until(page_at), if has_backlog => {
                    let keep_up = self.publisher.do_consumers_keep_up().await?;
                    if keep_up {
                        self.publish_page().await?;
                    }
                    page_at = Instant::now() + if keep_up { Duration::ZERO } else { PAGE_PAUSE };
                }
                () = tokio::time::sleep_until(save_at.unwrap_or(set_aside_at)), if save_at.is_some() => self.save().await?,
                () = tokio::time::sleep_until(set_aside_at) => {
                    self.publisher.ensure_usable().await?;
                    self.retry_set_aside().await?;
                    set_aside_at = Instant::now() + SET_ASIDE_POLL;
                }
            }
        }
    }

    /// Publishes the next page of the window. After the last one the window is closed.
    async fn publish_page(&mut self) -> anyhow::Result<()> {
        let Some(window) = self.open_window().await? else { return Ok(()) };
        let (done, of) = (self.cursor.done.clone(), window.clone());
        let page = self
            .db
            .read(move |conn| {
                async move { event_log::page_between(conn, &done, &of.end, of.seq, BATCH as i64).await }.boxed()
            })
            .await?;
        let (is_last, last) = (page.len() < BATCH, page.last().map(|event| event.seq));
        let events: Vec<_> = page.into_iter().map(Arc::new).collect();
        self.publish_events(&events).await?;
        match last {
            Some(seq) if !is_last => self.cursor.window = Some(Window { seq, ..window }),
            _ => {
                // Without a gap, the batches that were published meanwhile begin where the window ends.
                let published = self.published.take().filter(|to| !self.has_gap && to.is_after(&window.end));
                self.cursor.done = published.unwrap_or(window.end);
                self.cursor.window = None;
            }
        }
        Ok(self.save().await?)
    }

    /// The open window, or a new one up to now. `None` when there is nothing to publish in it.
    async fn open_window(&mut self) -> anyhow::Result<Option<Window>> {
        if let Some(window) = &self.cursor.window {
            return Ok(Some(window.clone()));
        }
        self.has_gap = false;
        let done = self.cursor.done.clone();
        let read = self.db.read(move |conn| {
            async move { Ok((event_log::current_position(conn).await?, event_log::first_unseen(conn, &done).await?)) }
                .boxed()
        });
        let (now, first) = read.await.inspect_err(|_| self.has_gap = true)?;
        self.cursor.window = first.map(|first| Window { end: (*now.seen).clone(), seq: first - 1 });
        Ok(self.cursor.window.clone())
    }

    /// Publishes what just became visible, except what the open window has.
    async fn publish_batch(&mut self, batch: &Batch) -> anyhow::Result<()> {
        let done = self.cursor.window.as_ref().map_or(&self.cursor.done, |window| &window.end);
        let unseen: Vec<_> = batch.events.iter().filter(|event| !done.sees(event.tx())).cloned().collect();
        for events in unseen.chunks(BATCH) {
            self.publish_events(events).await?;
        }
        if self.cursor.window.is_some() || self.has_gap {
            self.published = Some((*batch.to).clone());
        } else if batch.to.is_after(&self.cursor.done) {
            self.cursor.done = (*batch.to).clone();
            self.unsaved_since.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// Publishes events. Those that the broker refuses are set aside before the cursor may move behind them.
    async fn publish_events(&mut self, events: &[Arc<LoggedEvent>]) -> anyhow::Result<()> {
        let refused = self.publisher.publish(events).await?;
        Ok(self.set_aside.add(refused).await?)
    }

    async fn retry_set_aside(&mut self) -> anyhow::Result<()> {
        let due: Vec<_> = self.set_aside.due().await?.into_iter().map(Arc::new).collect();
        if due.is_empty() {
            return Ok(());
        }
        let refused = self.publisher.publish_all(&due).await?;
        Ok(self.set_aside.record_retry(&due, refused).await?)
    }

    async fn save(&mut self) -> Result<(), Refusal> {
        cursor::save(&self.db, self.cursor.clone()).await?;
        self.unsaved_since = None;
        Ok(())
    }

    /// Saves the cursor, so that the next session publishes nothing twice, and closes the connection.
    pub(super) async fn close(mut self) {
        if self.unsaved_since.is_some() {
            // A failure costs duplicates only.
            let _ = self.save().await;
        }
        self.publisher.close().await;
    }
}
