//! Events of tickets and deliveries: each moves its order at most once, in whatever order they arrive.

use order_svc::commands::follow::follow_tickets;
use order_svc::messaging::on_ticket::OnTicket;
use pannier_contracts::OrderId;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::ticket::TicketState;
use pannier_platform::consumer::{Effect, Message, Processed};
use pannier_platform::{Cause, Refusal};
use serde_json::json;

use crate::service::{Order, OrderService};

const LATE: &str = "SELECT count(*) AS n FROM orders.late_events";

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_event_that_arrives_twice_moves_its_order_once() {
    let service = OrderService::start().await;
    let order = service.accepted().await;
    assert_eq!(service.receive_ticket(&order, 3, TicketState::Ready).await, Processed::Applied);
    let ready = service.seen(&order).await;
    assert_eq!((&ready["state"], &ready["version"], &ready["progress"]), (&json!("ready"), &json!(4), &json!(1)));
    assert_eq!((&ready["ticket"]["state"], &ready["delivery"]), (&json!("ready"), &json!(null)));
    assert_eq!(service.receive_ticket(&order, 3, TicketState::Ready).await, Processed::Obsolete);
    assert_eq!(service.receive_ticket(&order, 2, TicketState::Accepted).await, Processed::Obsolete);
    assert_eq!(service.seen(&order).await, ready);
    let events = ["order.placed.v1", "order.paid.v1", "order.accepted.v1", "order.ready.v1"];
    assert_eq!(service.events("order", &order).await, events);
    assert_eq!(service.events("progress", &order).await, ["progress.changed.v1"]);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_rejects_itself_ends_its_order_and_releases_the_money() {
    let service = OrderService::start().await;
    let order = service.paid().await;
    service.receive_ticket(&order, 2, TicketState::Rejected).await;
    let rejected = service.order_is(&order, "rejected", "voided").await;
    assert_eq!(rejected["reason"], "sold_out");
    assert_eq!(service.ledger(&order).await, ["authorise", "void"]);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_state_that_the_order_has_passed_is_late_and_changes_only_the_progress() {
    let service = OrderService::start().await;
    let order = service.accepted().await;
    service.receive_delivery(&order, 6, DeliveryState::PickedUp).await;
    assert_eq!(service.receive_ticket(&order, 3, TicketState::Ready).await, Processed::Applied);
    let seen = service.seen(&order).await;
    assert_eq!((&seen["state"], &seen["progress"]), (&json!("delivering"), &json!(2)));
    assert_eq!((&seen["ticket"]["state"], &seen["delivery"]["state"]), (&json!("ready"), &json!("picked_up")));
    assert_eq!(service.db.count(LATE).await, 1);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn food_that_is_delivered_after_the_cancellation_is_an_alarm() {
    let service = OrderService::start().await;
    let order = service.accepted().await;
    service.shop.post(&format!("{}/shop-cancel", order.path), json!({"reason": "no_gas"})).await.ok();
    service.receive_delivery(&order, 6, DeliveryState::PickedUp).await;
    assert_eq!(service.alarms().await, [""; 0]);
    service.receive_delivery(&order, 8, DeliveryState::Delivered).await;
    assert_eq!(service.alarms().await, ["delivered_after_cancel"]);
    service.order_is(&order, "cancelled", "refunded").await;
    assert_eq!(service.db.count(LATE).await, 2);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_sequence_of_events_ends_with_the_same_order() {
    let service = OrderService::start().await;
    let states = [DeliveryState::Assigned, DeliveryState::PickedUp, DeliveryState::Delivered];
    for arrival in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let order = service.accepted().await;
        for n in arrival.into_iter().flat_map(|n| [n, n]) {
            service.receive_delivery(&order, n as i64 + 5, states[n]).await;
        }
        let delivered = service.order_is(&order, "delivered", "captured").await;
        assert_eq!(delivered["delivery"]["version"], 7, "{arrival:?}");
        let events =
            ["order.placed.v1", "order.paid.v1", "order.accepted.v1", "order.delivering.v1", "order.delivered.v1"];
        assert_eq!(service.events("order", &order).await, events, "{arrival:?}");
    }
    assert_eq!(service.db.count(LATE).await, 0);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_tickets_in_one_transaction_each_move_their_own_order() {
    let service = OrderService::start().await;
    let orders = [service.accepted().await, service.accepted().await, service.paid().await];
    let states = [TicketState::Ready, TicketState::Accepted, TicketState::Ready];
    let tickets: Vec<_> = orders.iter().zip(states).map(|(order, state)| service.ticket(order, 3, state)).collect();
    let effects = service.pool.transaction(move |conn| {
        let tickets = tickets.clone();
        Box::pin(async move {
            let cause = Cause::of("test");
            let news: Vec<_> = tickets.iter().map(|ticket| Message { cause: &cause, snapshot: ticket }).collect();
            follow_tickets(conn, &news).await
        })
    });
    let late = Effect::Late("the order is paid already".to_owned());
    assert_eq!(effects.await.unwrap(), [Effect::Done, Effect::Done, late]);
    for (order, state) in orders.iter().zip(["ready", "accepted", "paid"]) {
        let seen = service.seen(order).await;
        assert_eq!((&seen["state"], &seen["progress"]), (&json!(state), &json!(1)));
    }
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_of_an_unknown_order_is_refused() {
    let service = OrderService::start().await;
    let unknown = Order::of(&json!({"id": OrderId::generate()}));
    let refused = service.receive(OnTicket, &service.ticket(&unknown, 1, TicketState::AwaitingAcceptance)).await;
    assert!(matches!(refused, Err(Refusal::NotFound("order"))), "{refused:?}");
    assert_eq!(service.db.count("SELECT count(*) AS n FROM orders.progress").await, 0);
    service.end().await;
}
