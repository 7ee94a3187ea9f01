//! Streams of many: everything that one audience may see, by position in the event log.
//!
//! A stream shows the present first, or what it missed since its cursor, then what changes. It never misses a change;
//! it may show one twice, or a record and then an older event of it: a record's `version` tells.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;

use super::sse::{Frame, Sender};
use crate::event_log::{self, EventLog, LoggedEvent};
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
    /// What the database says: the stream ends and the client comes back.
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
        let mut news = log.listen();
        let mut positions = log.positions();
        let mut reached = match self.resume(cursor.as_deref()).await? {
            Some(reached) => reached,
            None => self.show_present().await?,
        };
        let audience = self.feed.audience();
        loop {
            tokio::select! {
                biased;
                heard = news.recv() => match heard {
                    Ok(event) => {
                        let position = event.position.unwrap_or(0);
                        // Positions have no gaps: one that does not follow means that something went unheard.
                        if position > reached + 1 {
                            reached = self.show_missed(reached).await?;
                        } else if position == reached + 1 {
                            if event.audience.as_deref() == Some(&audience) {
                                self.show(&event).await?;
                            }
                            reached = position;
                        }
                    }
                    Err(RecvError::Lagged(_)) => reached = self.show_missed(reached).await?,
                    Err(RecvError::Closed) => return Ok(()),
                },
                // News is sent before the position is told. It says more than we heard only if the log became live after us.
                told = positions.changed() => {
                    if told.is_err() {
                        return Ok(());
                    }
                    let last = *positions.borrow_and_update();
                    if last > reached {
                        reached = self.show_missed(reached).await?;
                    }
                }
                () = self.sender.closed() => return Ok(()),
            }
        }
    }

    /// Shows what came after the cursor; `None` when it is not ours or too old, then the present is shown instead.
    async fn resume(&self, cursor: Option<&str>) -> Result<Option<i64>, End> {
        let Some(from) = cursor.and_then(position_of) else { return Ok(None) };
        let (last, rows) = self.missed(from).await?;
        if from > last || rows.len() as i64 > BACKLOG {
            return Ok(None);
        }
        for row in &rows {
            self.show(row).await?;
        }
        Ok(Some(last))
    }

    async fn show_missed(&self, from: i64) -> Result<i64, End> {
        let (last, rows) = self.missed(from).await?;
        if rows.len() as i64 > BACKLOG {
            return Err(End::Gone);
        }
        for row in &rows {
            self.show(row).await?;
        }
        Ok(last.max(from))
    }

    /// The audience's events after `from`, and how far the log reached before they were read.
    async fn missed(&self, from: i64) -> Result<(i64, Vec<LoggedEvent>), Refusal> {
        let audience = self.feed.audience();
        self.db
            .read(move |conn| {
                async move {
                    let last = event_log::last_position(conn).await?;
                    Ok((last, event_log::after_for(conn, &audience, from, BACKLOG + 1).await?))
                }
                .boxed()
            })
            .await
    }

    async fn show_present(&self) -> Result<i64, End> {
        let feed = Arc::clone(&self.feed);
        let (last, records) = self
            .db
            .read(move |conn| {
                async move {
                    // Read first: what is committed after it shows up among the changes.
                    let last = event_log::last_position(conn).await?;
                    Ok((last, feed.present(conn).await?))
                }
                .boxed()
            })
            .await?;
        let count = records.len();
        for (n, record) in records.into_iter().enumerate() {
            // Only the last one can be resumed from: whoever leaves in the middle gets the present again.
            let cursor = if n + 1 == count { cursor_at(last) } else { IN_THE_MIDDLE.to_owned() };
            self.send(cursor, record).await?;
        }
        Ok(last)
    }

    async fn show(&self, event: &LoggedEvent) -> Result<(), End> {
        match self.feed.render(&self.db, event).await? {
            Some(record) => self.send(cursor_at(event.position.unwrap_or(0)), record).await,
            None => Ok(()),
        }
    }

    async fn send(&self, cursor: String, record: Record) -> Result<(), End> {
        let frame = Frame { id: cursor, event: record.kind, data: record.data };
        match tokio::time::timeout(PATIENCE, self.sender.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }
}

/// Opaque to clients, and told apart from the cursors of streams of one, which are versions.
fn cursor_at(position: i64) -> String {
    format!("p{position}")
}

fn position_of(cursor: &str) -> Option<i64> {
    cursor.strip_prefix('p')?.parse().ok().filter(|p| *p >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_others_are_unknown() {
        assert_eq!(position_of(&cursor_at(42)), Some(42));
        for other in ["", "p", "42", IN_THE_MIDDLE, "p-1", "p1x", "x42"] {
            assert_eq!(position_of(other), None, "{other}");
        }
    }
}
