//! A stream of Server-Sent Events, event by event.

use std::collections::VecDeque;
use std::time::Duration;

use pannier_client::sse::{Event, Parser};
use serde_json::Value;

/// One record of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Where to resume from.
    pub id: String,
    /// The record's kind.
    pub event: String,
    /// The record.
    pub data: Value,
}

/// An open stream.
#[derive(Debug)]
pub struct Stream {
    response: reqwest::Response,
    parser: Parser,
    read: VecDeque<Event>,
}

impl Stream {
    /// Reads the body of a response.
    ///
    /// # Panics
    /// When it is no stream.
    #[must_use]
    pub fn of(response: reqwest::Response) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, parser: Parser::default(), read: VecDeque::new() }
    }

    /// The next record; `None` when the stream has ended.
    ///
    /// # Panics
    /// When nothing comes for twenty seconds, not even the end.
    pub async fn next(&mut self) -> Option<Frame> {
        let patience = Duration::from_secs(20);
        tokio::time::timeout(patience, self.read()).await.expect("a stream says something within twenty seconds")
    }

    async fn read(&mut self) -> Option<Frame> {
        loop {
            if let Some(Event { id, kind, data }) = self.read.pop_front() {
                let data = serde_json::from_str(&data).expect("an event is JSON");
                return Some(Frame { id: id.expect("an event has a cursor"), event: kind, data });
            }
            let chunk = self.response.chunk().await.ok().flatten()?;
            self.read.extend(self.parser.push(&chunk));
        }
    }

    /// Reads until a record is as wanted, and returns it.
    ///
    /// # Panics
    /// When the stream ends or falls silent before.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("the stream ended before {what}"));
            if wanted(&frame) {
                return frame;
            }
        }
    }
}
