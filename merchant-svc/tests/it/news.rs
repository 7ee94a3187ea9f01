//! Events of orders and deliveries, in any order and more than once.

use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::order::OrderState;
use pannier_platform::consumer::Processed;
use serde_json::{Value, json};

use crate::shop::{Shop, item, later};

const LATE: &str = "SELECT count(*) AS n FROM merchant.late_events";

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_order_opens_one_ticket_and_a_cancelled_one_opens_none() {
    let shop = Shop::open().await;
    let order = shop.order();
    assert_eq!(shop.hear(&order).await, Processed::Applied);
    assert_eq!(shop.hear(&order).await, Processed::Obsolete);
    assert_eq!(shop.ticket_of(&order).await["version"], 1);
    let order = shop.order();
    assert_eq!(shop.hear(&later(&order, 3, OrderState::Cancelled)).await, Processed::Applied);
    assert_eq!(shop.hear(&order).await, Processed::Obsolete, "`paid` is older than what was applied");
    assert_eq!(shop.ticket_of(&order).await, Value::Null);
    assert_eq!(shop.db.count(LATE).await, 0);
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_the_shop_cannot_make_is_rejected_automatically() {
    let shop = Shop::open().await;
    let check = async |reason: &str| {
        let order = shop.order();
        shop.hear(&order).await;
        let ticket = shop.ticket_of(&order).await;
        assert_eq!(
            (&ticket["state"], &ticket["reason"], &ticket["version"]),
            (&json!("rejected"), &json!(reason), &json!(2))
        );
        assert_eq!(shop.told(ticket["id"].as_str().unwrap()).await, ["ticket.opened.v1", "ticket.rejected.v1"]);
        // An order that is accepted already gets an accepted ticket.
        let order = shop.order();
        shop.hear(&later(&order, 3, OrderState::Accepted)).await;
        let ticket = shop.ticket_of(&order).await;
        assert_eq!((&ticket["state"], ticket["ready_at"].is_string()), (&json!("accepted"), true));
    };
    shop.put("/v1/merchant/menu", Some(3), json!({"items": [item("soup", 1, false)]})).await;
    check("sold_out").await;
    shop.post("/v1/merchant/pause", Some(4), json!({})).await;
    check("closed").await;
    shop.end().await;
    let unknown = Shop::start().await;
    let order = unknown.order();
    unknown.hear(&order).await;
    assert_eq!(unknown.ticket_of(&order).await["reason"], "closed");
    unknown.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_pickup_on_the_delivery_decides() {
    let shop = Shop::open().await;
    let state = async |order: &_| shop.ticket_of(order).await["state"].clone();
    // The order is cancelled after pickup, and the event of the pickup arrives later.
    let (order, ticket) = shop.ringing().await;
    shop.hear(&later(&order, 3, OrderState::Accepted)).await;
    shop.hear(&later(&order, 4, OrderState::Cancelled)).await;
    assert_eq!(state(&order).await, "cancelled");
    assert_eq!(shop.hear_delivery(&order, 5, DeliveryState::Assigned).await, Processed::Applied);
    assert_eq!(state(&order).await, "cancelled");
    shop.hear_delivery(&order, 7, DeliveryState::PickedUp).await;
    assert_eq!(state(&order).await, "handed_over");
    let walked = ["ticket.opened.v1", "ticket.accepted.v1", "ticket.cancelled.v1", "ticket.handed_over.v1"];
    assert_eq!(shop.told(&ticket).await, walked);
    assert_eq!(shop.db.count(LATE).await, 0);
    // There is no ticket of the order yet: the event is counted as late, and the event of the order opens the ticket in
    // its final state.
    let order = shop.order();
    shop.hear_delivery(&order, 9, DeliveryState::Delivered).await;
    assert_eq!(shop.db.count(LATE).await, 1);
    shop.hear(&later(&order, 8, OrderState::Delivered)).await;
    assert_eq!(state(&order).await, "handed_over");
    shop.end().await;
}

/// All permutations of the events of one order end with the same ticket.
#[tokio::test(flavor = "multi_thread")]
async fn any_sequence_of_events_ends_with_the_same_ticket() {
    let shop = Shop::open().await;
    let states =
        [OrderState::Paid, OrderState::Accepted, OrderState::Ready, OrderState::Delivering, OrderState::Delivered];
    for shuffled in permutations(states.len()) {
        let order = shop.order();
        for n in shuffled.iter().flat_map(|n| [*n, *n]) {
            shop.hear(&later(&order, n as i64 + 2, states[n])).await;
        }
        let version: i64 = shop
            .db
            .count(&format!(
                "SELECT version AS n FROM merchant.tickets WHERE order_id = '{}' AND state = 'handed_over'",
                order.id.0
            ))
            .await;
        assert!((3..=4).contains(&version), "{shuffled:?} ended at version {version}");
    }
    shop.end().await;
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(n - 1);
    shorter
        .iter()
        .flat_map(|p| {
            (0..=p.len()).map(move |at| {
                let mut p = p.clone();
                p.insert(at, n - 1);
                p
            })
        })
        .collect()
}
