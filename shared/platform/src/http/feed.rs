//! Streams of many: everything that one audience may see, by its position in the event log.
//!
//! A stream shows the present first, or what it missed since its cursor, then what changes. It never misses a change;
//! it may show one twice, or a record and then an older event of it: a record's `version` tells.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use serde::Serialize;

use super::sse::{Frame, Sender};
use crate::event_log::{self, EventLog, Lagged, LoggedEvent, Position, TopicBatch, TxSnapshot};
use crate::{Conn, Db, Refusal};

/// Who has missed more than this starts from the present: it is shorter.
const BACKLOG: i64 = 500;
/// A client that takes no frame for so long is gone, or too slow: it comes back with its cursor.
const PATIENCE: Duration = Duration::from_secs(10);
/// A cursor that says nothing: who comes back with it gets the present again.
const IN_THE_MIDDLE: &str = "present";

/// What a service says about one stream of many.
#[async_trait]
pub trait Feed: Send + Sync + 'static {
    /// Whose events: the `audience` that they were appended with.
    fn audience(&self) -> String;

    /// The records that are there now.
    ///
    /// # Errors
    /// What the database refuses: the stream ends and the client comes back.
    async fn present(&self, conn: &mut Conn) -> Result<Vec<Record>, Refusal>;

    /// A change as the stream shows it; `None` leaves it out.
    ///
    /// # Errors
    /// As [`Feed::present`].
    async fn render(&self, db: &Db, event: &LoggedEvent) -> Result<Option<Record>, Refusal>;
}

/// One record as a stream shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its kind: `ticket`, `offer`.
    pub kind: &'static str,
    /// JSON.
    pub data: String,
}

impl Record {
    /// Writes a record.
    ///
    /// # Errors
    /// When it is no JSON: our bug.
    pub fn of(kind: &'static str, record: &impl Serialize) -> Result<Self, Refusal> {
        let data = serde_json::to_string(record).map_err(|e| Refusal::Bug(e.into()))?;
        Ok(Self { kind, data })
    }
}

/// Feeds a stream until its client is gone. Give it to [`super::sse::stream`].
pub async fn run<F: Feed>(db: Db, log: EventLog, feed: F, cursor: Option<String>, sender: Sender) {
    let reader = Reader { db, feed: Arc::new(feed), sender };
    if let Err(End::Refused(refusal)) = reader.follow(&log, cursor).await {
        tracing::warn!(error = ?refusal, audience = reader.feed.audience(), "a stream ends early; its client comes back");
    }
}

enum End {
    /// The client left, or is too slow.
    Gone,
    Refused(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

struct Reader<F> {
    db: Db,
    feed: Arc<F>,
    sender: Sender,
}

impl<F: Feed> Reader<F> {
    async fn follow(&self, log: &EventLog, cursor: Option<String>) -> Result<(), End> {
        // Listening begins before reading, so nothing can happen in between unheard.
        let mut subscription = log.subscribe(self.feed.audience());
        let position = log.position().await?;
        let mut reached = match self.resume(&position, cursor.as_deref()).await? {
            Some(reached) => reached,
            None => self.show_present(&position).await?,
        };
        loop {
            tokio::select! {
                heard = subscription.next() => match heard {
                    Ok(heard) => reached = self.show_heard(&position, reached, &heard).await?,
                    Err(Lagged) => {
                        // After a restore the cursors of this stream say nothing any more: its client begins anew.
                        if log.position().await?.epoch != position.epoch {
                            return Err(End::Gone);
                        }
                        reached = self.show_missed(&position, reached).await?;
                    }
                },
                () = self.sender.closed() => return Ok(()),
            }
        }
    }

    /// Shows what came after the cursor; `None` when it is not ours or too old, then the present is shown instead.
    async fn resume(&self, position: &Position, cursor: Option<&str>) -> Result<Option<TxSnapshot>, End> {
        let Some(from) = cursor.and_then(|cursor| read_cursor(position, cursor)) else { return Ok(None) };
        let seen = from.clone();
        let has_all =
            self.db.read(move |conn| async move { event_log::has_all_since(conn, &seen).await }.boxed()).await?;
        if !has_all {
            return Ok(None);
        }
        let (rows, now) = self.missed(&from).await?;
        if from.is_after(&now) || rows.len() as i64 > BACKLOG {
            return Ok(None);
        }
        self.show_all(position, &rows, &from, &now).await?;
        Ok(Some(now))
    }

    async fn show_missed(&self, position: &Position, from: TxSnapshot) -> Result<TxSnapshot, End> {
        let (rows, now) = self.missed(&from).await?;
        if rows.len() as i64 > BACKLOG {
            return Err(End::Gone);
        }
        self.show_all(position, &rows, &from, &now).await?;
        Ok(now)
    }

    /// The audience's events that `from` does not see, and what is visible with them.
    async fn missed(&self, from: &TxSnapshot) -> Result<(Vec<Arc<LoggedEvent>>, TxSnapshot), Refusal> {
        let (audience, from) = (self.feed.audience(), from.clone());
        let (rows, now) = self
            .db
            .read(move |conn| {
                async move { event_log::of_audience_since(conn, &audience, &from, BACKLOG + 1).await }.boxed()
            })
            .await?;
        Ok((rows.into_iter().map(Arc::new).collect(), now))
    }

    async fn show_present(&self, position: &Position) -> Result<TxSnapshot, End> {
        let feed = Arc::clone(&self.feed);
        // The position was asked for first: what is committed after it shows up among the changes.
        let records = self.db.read(move |conn| async move { feed.present(conn).await }.boxed()).await?;
        let count = records.len();
        for (n, record) in records.into_iter().enumerate() {
            // Only the last one can be resumed from: whoever leaves in the middle gets the present again.
            let cursor = if n + 1 == count { write_cursor(position, &position.seen) } else { IN_THE_MIDDLE.to_owned() };
            self.send(cursor, record).await?;
        }
        Ok((*position.seen).clone())
    }

    async fn show_heard(
        &self,
        position: &Position,
        reached: TxSnapshot,
        heard: &TopicBatch,
    ) -> Result<TxSnapshot, End> {
        let unseen: Vec<_> = heard.events.iter().filter(|event| !reached.sees(event.tx())).cloned().collect();
        self.show_all(position, &unseen, &reached, &heard.to).await?;
        Ok(if heard.to.is_after(&reached) { (*heard.to).clone() } else { reached })
    }

    /// Shows events that became visible together. Only the last of them stands for all: whoever leaves in the middle
    /// sees some of them again.
    async fn show_all(
        &self,
        position: &Position,
        events: &[Arc<LoggedEvent>],
        from: &TxSnapshot,
        to: &TxSnapshot,
    ) -> Result<(), End> {
        let (middle, end) = (write_cursor(position, from), write_cursor(position, to));
        for (n, event) in events.iter().enumerate() {
            if let Some(record) = self.feed.render(&self.db, event).await? {
                let cursor = if n + 1 == events.len() { &end } else { &middle };
                self.send(cursor.clone(), record).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, cursor: String, record: Record) -> Result<(), End> {
        let frame = Frame { id: cursor, event: record.kind, data: record.data };
        match tokio::time::timeout(PATIENCE, self.sender.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }
}

/// Opaque to clients: what was visible, in which cluster.
fn write_cursor(position: &Position, seen: &TxSnapshot) -> String {
    format!("s{}/{seen}", position.epoch)
}

fn read_cursor(position: &Position, cursor: &str) -> Option<TxSnapshot> {
    let (epoch, seen) = cursor.strip_prefix('s')?.split_once('/')?;
    (epoch == &*position.epoch).then(|| seen.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_others_are_unknown() {
        let seen: TxSnapshot = "10:12:10".parse().unwrap();
        let position = Position { seen: Arc::new(seen.clone()), epoch: "7-1".into() };
        assert_eq!(read_cursor(&position, &write_cursor(&position, &seen)), Some(seen));
        for other in ["", "s", "42", IN_THE_MIDDLE, "s7-1", "s7-1/", "s7-1/9:8:", "s7-2/10:12:10", "x7-1/10:12:10"] {
            assert_eq!(read_cursor(&position, other), None, "{other}");
        }
    }
}
