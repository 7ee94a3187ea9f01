//! The tablet's stream: the present first, then changes; a cursor goes on where it was.

use std::time::Duration;

use futures::StreamExt as _;
use pannier_contracts::order::OrderState;
use serde_json::Value;

use crate::shop::{Shop, later};

/// One stream, read frame by frame.
struct Watching {
    body: futures::stream::BoxStream<'static, String>,
    read: String,
}

#[derive(Debug)]
struct Frame {
    id: String,
    event: String,
    data: Value,
}

impl Watching {
    async fn from(shop: &Shop, cursor: Option<&str>) -> Self {
        let mut request = shop.request("GET", "/v1/merchant/tickets/stream").bearer_auth(&shop.token);
        if let Some(cursor) = cursor {
            request = request.header("last-event-id", cursor);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let body = response.bytes_stream().map(|b| String::from_utf8(b.unwrap().to_vec()).unwrap()).boxed();
        Self { body, read: String::new() }
    }

    async fn next(&mut self) -> Frame {
        loop {
            while let Some((frame, rest)) = self.read.split_once("\n\n") {
                let field = |name: &str| frame.lines().find_map(|l| l.strip_prefix(name)).map(str::to_owned);
                let found = field("data: ").map(|data| Frame {
                    id: field("id: ").unwrap(),
                    event: field("event: ").unwrap(),
                    data: serde_json::from_str(&data).unwrap(),
                });
                self.read = rest.to_owned();
                if let Some(frame) = found {
                    return frame;
                }
            }
            let more = tokio::time::timeout(Duration::from_secs(10), self.body.next()).await;
            self.read.push_str(&more.expect("a frame comes").expect("the stream goes on"));
        }
    }

    /// Reads until a ticket is at a version; frames may come twice.
    async fn until(&mut self, ticket: &str, version: i64) -> Frame {
        loop {
            let frame = self.next().await;
            assert_eq!(frame.event, "ticket");
            if frame.data["id"] == ticket && frame.data["version"] == version {
                return frame;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tablet_watches_loses_its_connection_and_misses_nothing() {
    let shop = Shop::open().await;
    let (order, ticket) = shop.ringing().await;
    let mut tablet = Watching::from(&shop, None).await;
    let present = tablet.next().await;
    assert_eq!((&present.data["id"], &present.data["state"]), (&ticket.clone().into(), &"awaiting_acceptance".into()));
    assert_eq!(present.data.get("allowed_actions"), None);
    let (other_order, other) = shop.ringing().await;
    let rang = tablet.until(&other, 1).await;
    drop(tablet);

    shop.hear(&later(&order, 3, OrderState::Accepted)).await;
    let mut tablet = Watching::from(&shop, Some(&rang.id)).await;
    let missed = tablet.until(&ticket, 2).await;
    assert_eq!(missed.data["state"], "accepted");
    shop.hear(&later(&other_order, 3, OrderState::Cancelled)).await;
    assert_eq!(tablet.until(&other, 2).await.data["state"], "cancelled");

    // Not ours, or from a time that is not known any more: the present.
    for unknown in ["42", "p999999", "nonsense"] {
        let mut tablet = Watching::from(&shop, Some(unknown)).await;
        assert_eq!(tablet.next().await.data["id"], ticket.as_str(), "{unknown}");
    }
    // With streams open, it still ends in time.
    shop.end().await;
}
