//! Server-Sent Events. A stream that breaks is reopened after the last event that was delivered.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::StreamExt;
use reqwest::StatusCode;
use tokio::sync::mpsc;

use crate::api::root_cause;
use crate::call::ANSWER_WITHIN;
use crate::{Caller, Service};

/// The platform sends a comment every 15 s; a stream without any bytes for this time is reopened.
const READ_TIMEOUT: Duration = Duration::from_secs(40);
/// Events that may wait for the receiver. When the channel is full, the socket is not read until there is room.
const CHANNEL_CAPACITY: usize = 64;
/// Delays before a stream is reopened. An event resets them to the shortest.
const RECONNECT_DELAYS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(200))
    .with_max_delay(Duration::from_secs(2))
    .without_max_times();

/// One event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Cursor to resume after this event.
    pub id: Option<String>,
    /// The `event` field: the record's kind.
    pub kind: String,
    /// The record as JSON.
    pub data: String,
}

/// Follows a stream until the receiver is dropped or the API's stop token is cancelled.
#[must_use]
pub fn follow(caller: Caller, service: Service, path: String) -> mpsc::Receiver<Event> {
    let (out, events) = mpsc::channel(CHANNEL_CAPACITY);
    tokio::spawn(async move {
        let stop = caller.api.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = out.closed() => {}
            () = keep_following(&caller, service, &path, &out) => {}
        }
    });
    events
}

async fn keep_following(caller: &Caller, service: Service, path: &str, out: &mpsc::Sender<Event>) {
    let mut cursor = None;
    let mut delays = RECONNECT_DELAYS.build();
    loop {
        let before = cursor.clone();
        if let Err(why) = read(caller, service, path, &mut cursor, out).await {
            tracing::debug!("Stream {path} of {} broke: {why}", caller.subject());
        }
        if out.is_closed() {
            return;
        }
        if cursor != before {
            delays = RECONNECT_DELAYS.build();
        }
        let Some(delay) = delays.next() else { return };
        tokio::time::sleep(delay).await;
    }
}

async fn read(
    caller: &Caller,
    service: Service,
    path: &str,
    cursor: &mut Option<String>,
    out: &mpsc::Sender<Event>,
) -> Result<(), String> {
    let url = caller.api.url(service, path);
    let mut request = caller.api.http.get(url).bearer_auth(caller.token()).header("accept", "text/event-stream");
    if let Some(id) = cursor {
        request = request.header("last-event-id", id.as_str());
    }
    let answer = tokio::time::timeout(ANSWER_WITHIN, request.send()).await;
    let answer = answer.map_err(|_| "no answer".to_owned())?.map_err(|e| root_cause(&e))?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        caller.forget_token();
    }
    if !answer.status().is_success() {
        return Err(answer.status().to_string());
    }
    let mut parser = Parser::default();
    let mut body = answer.bytes_stream();
    loop {
        let chunk = tokio::time::timeout(READ_TIMEOUT, body.next()).await.map_err(|_| "silent".to_owned())?;
        let Some(chunk) = chunk else { return Ok(()) };
        for event in parser.push(&chunk.map_err(|e| root_cause(&e))?) {
            let id = event.id.clone();
            if out.send(event).await.is_err() {
                return Ok(());
            }
            // The cursor moves only after the receiver has the event.
            if id.is_some() {
                *cursor = id;
            }
        }
    }
}

/// Parses events from bytes that may be split anywhere.
#[derive(Debug, Default)]
pub struct Parser {
    rest: Vec<u8>,
    event: Event,
    has_data: bool,
}

impl Parser {
    /// Adds bytes and returns the events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if std::mem::take(&mut self.has_data) {
                    events.push(event);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => self.event.id = Some(value.to_owned()),
                "event" => value.clone_into(&mut self.event.kind),
                "data" => {
                    if self.has_data {
                        self.event.data.push('\n');
                    }
                    self.has_data = true;
                    self.event.data.push_str(value);
                }
                // Comments are keep-alives; unknown fields are ignored, as the specification says.
                _ => {}
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_parsed_from_any_split() {
        let text =
            ": hello\n\nid: 7\nevent: offer\ndata: {\"a\":1}\n\nevent: x\n\nid:8\r\ndata: é\r\ndata:b\r\n\r\nid: 9\nda";
        let expected = vec![
            Event { id: Some("7".into()), kind: "offer".into(), data: "{\"a\":1}".into() },
            Event { id: Some("8".into()), kind: String::new(), data: "é\nb".into() },
        ];
        for size in [1, 2, 3, 7, 1000] {
            let mut parser = Parser::default();
            let events: Vec<_> = text.as_bytes().chunks(size).flat_map(|c| parser.push(c)).collect();
            assert_eq!(events, expected, "pieces of {size}");
        }
    }
}
