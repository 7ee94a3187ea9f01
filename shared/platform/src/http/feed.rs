//! Feeds: streams of all records that one audience may see, resumable by a position in the event log.
//!
//! A feed sends the present records first, or the changes since the client's cursor, then every further change. It misses
//! none. It may send a change twice, or an older one after a newer record; the record's `version` tells.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use serde::Serialize;

use super::sse::{Frame, Sender};
use crate::event_log::{self, Batch, EventLog, Lagged, LoggedEvent, Position, TxSnapshot};
use crate::{Conn, Db, Refusal};

/// A client that has missed more changes than this gets the present records instead.
const MAX_MISSED: i64 = 500;
/// A client that takes no frame for so long is disconnected. It resumes with its cursor.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// A cursor that cannot be resumed from: a client that sends it gets the present records.
const NOT_RESUMABLE: &str = "present";

/// What a service implements for one feed.
#[async_trait]
pub trait Feed: Send + Sync + 'static {
    /// The audience whose events it shows, as in [`crate::events::append`].
    fn audience(&self) -> String;

    /// The records that exist now.
    ///
    /// # Errors
    /// Any: the stream ends, and the client resumes it.
    async fn present(&self, conn: &mut Conn) -> Result<Vec<Record>, Refusal>;

    /// The record that a change is sent as; `None` leaves it out.
    ///
    /// # Errors
    /// As [`Feed::present`].
    async fn render(&self, db: &Db, event: &LoggedEvent) -> Result<Option<Record>, Refusal>;
}

/// One record of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `ticket`, `offer`.
    pub kind: &'static str,
    /// JSON.
    pub data: String,
}

impl Record {
    /// Serialises a record.
    ///
    /// # Errors
    /// [`Refusal::Bug`] when it cannot be JSON.
    pub fn of(kind: &'static str, record: &impl Serialize) -> Result<Self, Refusal> {
        let data = serde_json::to_string(record).map_err(|e| Refusal::Bug(e.into()))?;
        Ok(Self { kind, data })
    }
}

/// Sends `feed` into a stream of [`super::sse::stream`] until the client disconnects.
pub async fn run<F: Feed>(db: Db, log: EventLog, feed: F, cursor: Option<String>, sender: Sender) {
    let session = Session { db, feed: Arc::new(feed), sender };
    if let Err(End::Refused(refusal)) = session.follow(&log, cursor).await {
        tracing::warn!(error = ?refusal, audience = session.feed.audience(), "a stream ends early; its client resumes it");
    }
}

enum End {
    /// The client is disconnected, too slow, or has to start again.
    Closed,
    Refused(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

struct Session<F> {
    db: Db,
    feed: Arc<F>,
    sender: Sender,
}

impl<F: Feed> Session<F> {
    async fn follow(&self, log: &EventLog, cursor: Option<String>) -> Result<(), End> {
        // Before anything is read, so that no change is in neither.
        let mut subscription = log.subscribe(self.feed.audience());
        let start = log.position().await?;
        let mut sent = match self.resume(&start, cursor.as_deref()).await? {
            Some(sent) => sent,
            None => self.send_present(&start).await?,
        };
        loop {
            tokio::select! {
                batch = subscription.next() => {
                    let unsent = match batch {
                        Ok(batch) => Some(unsent(&batch, sent)),
                        // Cursors of another cluster (after a restore) mean nothing: the client has to start again.
                        Err(Lagged) if log.position().await?.epoch != start.epoch => None,
                        Err(Lagged) => self.missed_since(sent).await?,
                    };
                    sent = self.send_changes(&start.epoch, unsent.ok_or(End::Closed)?).await?;
                }
                () = self.sender.closed() => return Ok(()),
            }
        }
    }

    /// Sends the changes after the cursor. `None` when that is not possible: the cursor is not of this cluster, too many
    /// changes were missed, or some have been deleted.
    async fn resume(&self, start: &Position, cursor: Option<&str>) -> Result<Option<Arc<TxSnapshot>>, End> {
        let Some(from) = cursor.and_then(|cursor| read_cursor(&start.epoch, cursor)) else { return Ok(None) };
        let from = Arc::new(from);
        let seen = Arc::clone(&from);
        let has_all =
            self.db.read(move |conn| async move { event_log::has_all_since(conn, &seen).await }.boxed()).await?;
        if !has_all {
            return Ok(None);
        }
        match self.missed_since(from).await? {
            Some(missed) if !missed.from.is_after(&missed.to) => {
                self.send_changes(&start.epoch, missed).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The audience's events that `from` does not see; `None` when there are more than [`MAX_MISSED`].
    async fn missed_since(&self, from: Arc<TxSnapshot>) -> Result<Option<Batch>, Refusal> {
        let (audience, seen) = (self.feed.audience(), Arc::clone(&from));
        let missed = self
            .db
            .read(move |conn| {
                async move { event_log::of_audience_since(conn, &audience, &seen, MAX_MISSED + 1).await }.boxed()
            })
            .await?;
        if missed.events.len() as i64 > MAX_MISSED {
            return Ok(None);
        }
        let events = missed.events.into_iter().map(Arc::new).collect();
        Ok(Some(Batch { events, from, to: Arc::new(missed.snapshot) }))
    }

    /// Sends the present records. They are read after `start`, so what is committed in between is sent again as a change.
    async fn send_present(&self, start: &Position) -> Result<Arc<TxSnapshot>, End> {
        let feed = Arc::clone(&self.feed);
        let records = self.db.read(move |conn| async move { feed.present(conn).await }.boxed()).await?;
        let count = records.len();
        for (n, record) in records.into_iter().enumerate() {
            // A client that has not received all of them has to get all of them again.
            let is_last = n + 1 == count;
            let cursor = if is_last { write_cursor(&start.epoch, &start.seen) } else { NOT_RESUMABLE.to_owned() };
            self.send(cursor, record).await?;
        }
        Ok(Arc::clone(&start.seen))
    }

    /// Sends changes that became visible together, and returns what has been sent with them. Only the last one's cursor is
    /// past them: a client that has not received all of them gets all of them again.
    async fn send_changes(&self, epoch: &str, changes: Batch) -> Result<Arc<TxSnapshot>, End> {
        let (before, after) = (write_cursor(epoch, &changes.from), write_cursor(epoch, &changes.to));
        for (n, event) in changes.events.iter().enumerate() {
            if let Some(record) = self.feed.render(&self.db, event).await? {
                let is_last = n + 1 == changes.events.len();
                self.send(if is_last { after.clone() } else { before.clone() }, record).await?;
            }
        }
        Ok(changes.to)
    }

    async fn send(&self, cursor: String, record: Record) -> Result<(), End> {
        let frame = Frame { id: cursor, event: record.kind, data: record.data };
        match tokio::time::timeout(SEND_TIMEOUT, self.sender.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Closed),
        }
    }
}

/// The part of `batch` that was not sent with `sent`, which may be later than the batch.
fn unsent(batch: &Batch, sent: Arc<TxSnapshot>) -> Batch {
    let events = batch.events.iter().filter(|event| !sent.sees(event.tx())).cloned().collect();
    let to = if batch.to.is_after(&sent) { Arc::clone(&batch.to) } else { Arc::clone(&sent) };
    Batch { events, from: sent, to }
}

/// Opaque to clients: the cluster and what it had committed.
fn write_cursor(epoch: &str, seen: &TxSnapshot) -> String {
    format!("s{epoch}/{seen}")
}

/// `None` for a cursor that is not of this cluster, or not a cursor.
fn read_cursor(epoch: &str, cursor: &str) -> Option<TxSnapshot> {
    let (cursor_epoch, seen) = cursor.strip_prefix('s')?.split_once('/')?;
    (cursor_epoch == epoch).then(|| seen.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_others_are_unknown() {
        let seen: TxSnapshot = "10:12:10".parse().unwrap();
        assert_eq!(read_cursor("7-1", &write_cursor("7-1", &seen)), Some(seen));
        for other in ["", "s", "42", NOT_RESUMABLE, "s7-1", "s7-1/", "s7-1/9:8:", "s7-2/10:12:10", "x7-1/10:12:10"] {
            assert_eq!(read_cursor("7-1", other), None, "{other}");
        }
    }
}
