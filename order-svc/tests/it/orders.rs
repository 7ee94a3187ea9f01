//! Requests of customers and shops about orders.

use std::time::Duration;

use pannier_testkit::{Caller, eventually};
use serde_json::json;

use crate::service::{Order, OrderService};

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_becomes_an_order_that_is_paid() {
    let service = OrderService::start().await;
    let quote = service.quote(&service.customer).await;
    let body = json!({"quote_id": quote["id"], "payment_method": "tok_ok"});
    let placed = service.customer.post("/v1/orders", body).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    let placed = placed.body;
    assert_eq!(
        (&placed["state"], &placed["version"], &placed["progress"]),
        (&json!("pending_payment"), &json!(1), &json!(0))
    );
    for same in ["merchant_id", "lines", "fees", "total", "promise_at"] {
        assert_eq!(placed[same], quote[same], "{same} is as quoted");
    }
    assert_eq!(placed["allowed_actions"], json!(["cancel", "pay"]));
    let pin = placed["pin"].as_str().unwrap();
    assert!(pin.len() == 4 && pin.bytes().all(|digit| digit.is_ascii_digit()), "{pin}");

    let order = Order::of(&placed);
    let paid = service.order_is(&order, "paid", "authorised").await;
    assert_eq!(paid["pin"], placed["pin"]);
    assert_eq!(service.events("order", &order).await, ["order.placed.v1", "order.paid.v1"]);
    assert_eq!(service.events("payment", &order).await, ["payment.opened.v1", "payment.changed.v1"]);
    assert_eq!(service.ledger(&order).await, ["authorise"]);
    assert_eq!(service.gateway.done(), ["authorise"]);
    let timers = "SELECT count(*) AS n FROM orders.timers WHERE kind = 'acceptance'";
    assert_eq!(service.db.count(timers).await, 1);
    assert_eq!(service.db.count("SELECT count(*) AS n FROM orders.timers").await, 1, "there is no other timer");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_becomes_one_order_however_often_it_is_used() {
    let service = OrderService::start().await;
    let quote = service.quote(&service.customer).await;
    let body = json!({"quote_id": quote["id"], "payment_method": "tok_ok"});
    let at_once = (0..8).map(|_| service.customer.post("/v1/orders", body.clone()));
    let answers = futures::future::join_all(at_once).await;
    let (placed, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!(placed.len(), 1, "{answers:?}");
    for answer in refused {
        answer.clone().problem(409, "quote_used");
    }
    service.order_is(&Order::of(&placed[0].body), "paid", "authorised").await;
    assert_eq!(service.db.count("SELECT count(*) AS n FROM orders.orders").await, 1);
    assert_eq!(service.gateway.done(), ["authorise"], "money is held once");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_id_is_used_once_by_each_customer() {
    let service = OrderService::start().await;
    let (customer, other) = (&service.customer, &service.another_customer());
    let place = async |customer: &Caller| {
        let quote = service.quote(customer).await;
        let body = json!({"quote_id": quote["id"], "payment_method": "tok_ok", "external_id": "bag-1"});
        customer.post("/v1/orders", body).await
    };
    place(customer).await.ok();
    place(customer).await.problem(409, "external_id_used");
    place(other).await.ok();
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_is_good_for_ten_minutes_and_for_its_customer() {
    let service = OrderService::start().await;
    let quote = service.quote(&service.customer).await;
    let body = json!({"quote_id": quote["id"], "payment_method": "tok_ok"});
    service.another_customer().post("/v1/orders", body.clone()).await.problem(404, "not_found");
    service.let_time_pass(Duration::from_secs(600)).await;
    service.customer.post("/v1/orders", body).await.problem(422, "quote_expired");
    assert_eq!(service.db.count("SELECT count(*) AS n FROM orders.orders").await, 0);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_payment_is_tried_again_with_another_method() {
    let service = OrderService::start().await;
    let order = service.placed("tok_declined").await;
    let refused = service.order_is(&order, "pending_payment", "failed").await;
    assert_eq!(refused["payment"]["state"], "failed");
    let pay = format!("{}/pay", order.path);
    service.customer.post(&pay, json!({"payment_method": "tok_ok"})).await.ok();
    service.order_is(&order, "paid", "authorised").await;
    service.customer.post(&pay, json!({"payment_method": "tok_ok"})).await.problem(409, "not_awaiting_payment");
    assert_eq!(service.payment(&order).await["attempt"], 2);
    assert_eq!(service.ledger(&order).await, ["authorise"]);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_waits_too_long_expires_and_its_money_is_released() {
    let service = OrderService::start().await;
    let (unpaid, unanswered) = (service.placed("tok_declined").await, service.paid().await);
    service.order_is(&unpaid, "pending_payment", "failed").await;
    service.let_time_pass(Duration::from_secs(8 * 60)).await;
    let expired = service.order_is(&unanswered, "expired", "voided").await;
    assert_eq!(expired["reason"], "not_answered_in_time");
    assert_eq!(service.ledger(&unanswered).await, ["authorise", "void"]);
    service.let_time_pass(Duration::from_secs(7 * 60)).await;
    let expired = service.order_is(&unpaid, "expired", "failed").await;
    assert_eq!(expired["reason"], "not_paid_in_time");
    assert_eq!(service.ledger(&unpaid).await, [""; 0]);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_kitchen_is_an_alarm_until_the_order_moves_on() {
    let service = OrderService::start().await;
    let order = service.accepted().await;
    service.let_time_pass(Duration::from_secs(36 * 60)).await;
    eventually("the alarm is raised", || async { (service.alarms().await == ["kitchen_late"]).then_some(()) }).await;
    service.shop.post(&format!("{}/shop-cancel", order.path), json!({"reason": "no_gas"})).await.ok();
    assert_eq!(service.alarms().await, [""; 0]);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_cancel_depends_on_the_state() {
    let service = OrderService::start().await;
    let cancel = |order: &Order| format!("{}/cancel", order.path);
    let order = service.paid().await;
    service.customer.post(&cancel(&order), json!({})).await.ok();
    let cancelled = service.order_is(&order, "cancelled", "voided").await;
    assert_eq!(cancelled["reason"], "customer_request");
    assert_eq!(service.accept(&order).await.problem(409, "order_cancelled")["state"], "cancelled");

    let order = service.accepted().await;
    let too_late = service.customer.post(&cancel(&order), json!({})).await.problem(409, "illegal_transition");
    assert_eq!(too_late["allowed_actions"], json!([]));
    service.another_customer().post(&cancel(&order), json!({})).await.problem(404, "not_found");
    service.shop.post(&format!("{}/shop-cancel", order.path), json!({"reason": "no_gas"})).await.ok();
    service.order_is(&order, "cancelled", "refunded").await;
    assert_eq!(service.ledger(&order).await, ["authorise", "capture", "refund"]);
    service.end().await;
}
