//! Server-Sent Events as a client reads them.

use std::time::Duration;

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
    read: String,
}

impl Stream {
    /// Reads the body of a response.
    ///
    /// # Panics
    /// When it is no stream.
    #[must_use]
    pub fn of(response: reqwest::Response) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, read: String::new() }
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
            while let Some((block, rest)) = self.read.split_once("\n\n") {
                let frame = parse(block);
                self.read = rest.to_owned();
                if frame.is_some() {
                    return frame;
                }
            }
            let chunk = self.response.chunk().await.ok().flatten()?;
            self.read.push_str(std::str::from_utf8(&chunk).ok()?);
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

/// A record; `None` for comments and settings.
fn parse(block: &str) -> Option<Frame> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let data = serde_json::from_str(field("data")?).expect("a record is JSON");
    Some(Frame { id: field("id")?.to_owned(), event: field("event")?.to_owned(), data })
}
