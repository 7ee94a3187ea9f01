//! The stream of tickets: it begins with the open tickets, then shows each change. A cursor resumes after its record.

use pannier_contracts::order::OrderState;
use pannier_testkit::{Frame, Stream};

use crate::shop::{Shop, later};

const STREAM: &str = "/v1/merchant/tickets/stream";

/// Reads until a ticket is at a version. Records may be sent twice.
async fn until(stream: &mut Stream, ticket: &str, version: i64) -> Frame {
    let what = format!("{ticket} at version {version}");
    let frame = stream.until(&what, |frame| frame.data["id"] == ticket && frame.data["version"] == version).await;
    assert_eq!(frame.event, "ticket");
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tablet_that_reconnects_with_its_cursor_misses_nothing() {
    let shop = Shop::open().await;
    let (order, ticket) = shop.ringing().await;
    let mut tablet = shop.api.stream(STREAM, None).await;
    let present = tablet.next().await.unwrap();
    assert_eq!((&present.data["id"], &present.data["state"]), (&ticket.clone().into(), &"awaiting_acceptance".into()));
    assert_eq!(present.data.get("allowed_actions"), None);
    let (other_order, other) = shop.ringing().await;
    let rang = until(&mut tablet, &other, 1).await;
    drop(tablet);

    shop.hear(&later(&order, 3, OrderState::Accepted)).await;
    let mut tablet = shop.api.stream(STREAM, Some(&rang.id)).await;
    let missed = until(&mut tablet, &ticket, 2).await;
    assert_eq!(missed.data["state"], "accepted");
    shop.hear(&later(&other_order, 3, OrderState::Cancelled)).await;
    assert_eq!(until(&mut tablet, &other, 2).await.data["state"], "cancelled");

    // With an unknown cursor the stream begins with the open tickets.
    for unknown in ["42", "p999999", "nonsense"] {
        let mut tablet = shop.api.stream(STREAM, Some(unknown)).await;
        assert_eq!(tablet.next().await.unwrap().data["id"], ticket.as_str(), "{unknown}");
    }
    // Open streams do not delay the shutdown.
    shop.end().await;
}
