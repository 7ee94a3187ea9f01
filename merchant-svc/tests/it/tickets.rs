//! Requests of the shop about its tickets. order-svc decides whether an order is accepted or rejected.

use merchant_svc::domain::lifecycle::is_open;
use pannier_contracts::order::OrderState;
use pannier_contracts::ticket::TicketState;
use serde_json::json;

use crate::shop::{Says, Shop, in_20_min, later};

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_waits_for_acceptance_is_accepted_and_becomes_ready() {
    let shop = Shop::open().await;
    let (order, ticket) = shop.ringing().await;
    let path = format!("/v1/merchant/tickets/{ticket}");
    let rings = shop.get(&path).await;
    assert_eq!(rings.body["state"], "awaiting_acceptance");
    assert_eq!(rings.body["allowed_actions"], json!(["accept", "reject"]));

    shop.order_svc(Says::Yes(OrderState::Accepted));
    let ready_at = in_20_min();
    let body = json!({"ready_at": ready_at});
    let accept = format!("{path}/accept");
    let accepted = shop.post_as(&accept, Some("tap-0001"), Some(1), body.clone()).await;
    assert_eq!((accepted.status, accepted.version()), (200, 2), "{accepted:?}");
    assert_eq!((&accepted.body["state"], &accepted.body["ready_at"]), (&json!("accepted"), &body["ready_at"]));
    assert_eq!(accepted.body["allowed_actions"], json!(["ready", "cancel"]));
    let call = shop.calls().pop().unwrap();
    assert_eq!(call.path, format!("/v1/orders/{}/accept", order.id));
    assert_eq!((call.key.as_str(), call.bearer), ("tap-0001", format!("Bearer {}", shop.token)));
    assert_eq!(call.body, body);

    let again = shop.post_as(&accept, Some("tap-0001"), Some(1), body).await;
    assert!(again.replayed && again.status == 200 && again.body == accepted.body, "{again:?}");
    assert_eq!(shop.calls().len(), 1, "a replay does not call order-svc");
    let other = json!({"ready_at": in_20_min() + chrono::TimeDelta::minutes(1)});
    let reused = shop.post_as(&accept, Some("tap-0001"), Some(1), other).await;
    reused.problem(422, "idempotency_key_reused");

    shop.post(&format!("{path}/ready"), Some(1), json!({})).await.problem(412, "stale_version");
    let ready = shop.post(&format!("{path}/ready"), Some(2), json!({})).await;
    assert_eq!((ready.status, &ready.body["state"]), (200, &json!("ready")));
    let late = shop.post(&format!("{path}/cancel"), Some(3), json!({"reason": "no gas"})).await;
    assert_eq!(late.problem(409, "illegal_transition")["state"], "ready");
    assert_eq!(shop.calls().len(), 1);
    assert_eq!(shop.told(&ticket).await, ["ticket.opened.v1", "ticket.accepted.v1", "ticket.ready.v1"]);
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_order_svc_moves_the_ticket_to_the_state_of_the_order() {
    let shop = Shop::open().await;
    for (state, code, becomes) in [
        (OrderState::Cancelled, "order_cancelled", "cancelled"),
        (OrderState::Expired, "order_expired", "expired"),
        (OrderState::Rejected, "order_rejected", "rejected"),
        // Another tablet has accepted. This refusal has no ready time, so it does not move the ticket.
        (OrderState::Accepted, "illegal_transition", "awaiting_acceptance"),
    ] {
        let (_, ticket) = shop.ringing().await;
        shop.order_svc(Says::No(state, code));
        let accept = format!("/v1/merchant/tickets/{ticket}/accept");
        let body = json!({"ready_at": in_20_min()});
        let got = shop.post_as(&accept, Some(&ticket), Some(1), body.clone()).await;
        assert_eq!(got.clone().problem(409, code)["state"], becomes);
        assert_eq!(shop.get(&format!("/v1/merchant/tickets/{ticket}")).await.body["state"], becomes);
        let again = shop.post_as(&accept, Some(&ticket), Some(1), body).await;
        assert!(again.replayed && again.body == got.body, "{again:?}");
    }
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_order_svc_is_away_the_ticket_does_not_change() {
    let shop = Shop::open().await;
    let (order, ticket) = shop.ringing().await;
    let reject = format!("/v1/merchant/tickets/{ticket}/reject");
    let body = json!({"reason": "too_busy"});
    shop.order_svc(Says::Broken);
    let away = shop.post_as(&reject, Some("tap-0001"), Some(1), body.clone()).await;
    assert_eq!(away.problem(503, "order_service_away")["retryable"], true);
    assert_eq!(shop.ticket_of(&order).await["version"], 1);
    assert_eq!(shop.db.count("SELECT count(*) AS n FROM merchant.idempotency WHERE key = 'tap-0001'").await, 0);
    shop.order_svc(Says::Yes(OrderState::Rejected));
    let done = shop.post_as(&reject, Some("tap-0001"), Some(1), body).await;
    assert_eq!((done.status, &done.body["state"], &done.body["reason"]), (200, &json!("rejected"), &json!("too_busy")));
    shop.end().await;
}

/// merchant-svc died after order-svc had accepted and before it stored the answer. The event of the order then moved
/// the ticket. The retry with the same key succeeds.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_a_lost_answer_succeeds() {
    let shop = Shop::open().await;
    let (order, ticket) = shop.ringing().await;
    let accept = format!("/v1/merchant/tickets/{ticket}/accept");
    let body = json!({"ready_at": in_20_min()});
    shop.order_svc(Says::Yes(OrderState::Accepted));
    assert_eq!(shop.post_as(&accept, Some("tap-0001"), Some(1), body.clone()).await.status, 200);
    // As if the transaction had been rolled back.
    shop.db.execute("DELETE FROM merchant.idempotency WHERE key = 'tap-0001'").await;
    shop.hear(&later(&order, 3, OrderState::Accepted)).await;
    let retry = shop.post_as(&accept, Some("tap-0001"), Some(1), body.clone()).await;
    assert_eq!((retry.status, &retry.body["state"]), (200, &json!("accepted")), "{retry:?}");
    // Another tablet that sends the old version gets 412.
    shop.order_svc(Says::No(OrderState::Accepted, "illegal_transition"));
    let other = shop.post_as(&accept, Some("tap-0002"), Some(1), body).await;
    assert_eq!(other.problem(412, "stale_version")["version"], 2);
    assert_eq!(shop.told(&ticket).await, ["ticket.opened.v1", "ticket.accepted.v1"]);
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_requests_of_a_tablet_are_refused() {
    let shop = Shop::open().await;
    let (_, ticket) = shop.ringing().await;
    let path = |action: &str| format!("/v1/merchant/tickets/{ticket}/{action}");
    let fine = json!({"ready_at": in_20_min()});
    shop.order_svc(Says::Yes(OrderState::Accepted));
    let no_key = shop.post_as(&path("accept"), None, Some(1), fine.clone()).await;
    no_key.problem(400, "idempotency_key_missing");
    shop.post(&path("accept"), None, fine.clone()).await.problem(428, "if_match_missing");
    shop.post(&path("accept"), Some(7), fine).await.problem(412, "stale_version");
    let far = json!({"ready_at": in_20_min() + chrono::TimeDelta::days(1)});
    shop.post(&path("accept"), Some(1), far).await.problem(422, "ready_at_invalid");
    shop.post(&path("accept"), Some(1), json!({})).await.problem(400, "body_invalid");
    let rude = json!({"reason": "because"});
    shop.post(&path("reject"), Some(1), rude).await.problem(400, "body_invalid");
    let early = shop.post(&path("cancel"), Some(1), json!({"reason": "no gas"})).await;
    assert_eq!(early.problem(409, "illegal_transition")["allowed_actions"], json!(["accept", "reject"]));
    shop.post(&path("ready"), Some(1), json!({})).await.problem(409, "illegal_transition");
    assert!(shop.calls().is_empty());
    assert_eq!(shop.told(&ticket).await, ["ticket.opened.v1"]);
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_pages_and_filters() {
    let shop = Shop::open().await;
    let mut opened = Vec::new();
    for _ in 0..5 {
        opened.push(shop.ringing().await.1);
    }
    shop.order_svc(Says::Yes(OrderState::Rejected));
    shop.post(&format!("/v1/merchant/tickets/{}/reject", opened[0]), Some(1), json!({"reason": "other"})).await;
    let mut seen = Vec::new();
    let mut path = "/v1/merchant/tickets?limit=2".to_owned();
    loop {
        let page = shop.get(&path).await.body;
        seen.extend(page["data"].as_array().unwrap().iter().map(|t| t["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/merchant/tickets?limit=2&cursor={next}");
    }
    assert_eq!(seen, opened, "oldest first, each once");
    let ids = |page: serde_json::Value| page["data"].as_array().unwrap().len();
    assert_eq!(ids(shop.get("/v1/merchant/tickets?open=true").await.body), 4);
    assert_eq!(ids(shop.get("/v1/merchant/tickets?state=rejected").await.body), 1);
    let order = shop.order();
    shop.hear(&order).await;
    shop.hear(&later(&order, 3, OrderState::Cancelled)).await;
    assert_eq!(ids(shop.get("/v1/merchant/tickets?state=cancelled").await.body), 1);
    shop.get("/v1/merchant/tickets?state=lost").await.problem(400, "query_invalid");
    shop.get("/v1/merchant/tickets?limit=0").await.problem(400, "limit_invalid");
    shop.get("/v1/merchant/tickets/tkt_nonsense").await.problem(404, "not_found");
    shop.end().await;
}

/// The generated column `is_open` is true in exactly the open states of the lifecycle.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_and_the_lifecycle_agree_on_what_is_open() {
    let shop = Shop::start().await;
    for state in TicketState::ALL {
        let insert = format!(
            "INSERT INTO merchant.tickets (id, version, state, order_id, merchant_id, lines, opened_at)
             VALUES (gen_random_uuid(), 1, '{state}', gen_random_uuid(), gen_random_uuid(), '[]', now())"
        );
        shop.db.execute(&insert).await;
        let open = format!("SELECT count(*) AS n FROM merchant.tickets WHERE state = '{state}' AND is_open");
        assert_eq!(shop.db.count(&open).await == 1, is_open(*state), "{state}");
    }
    shop.end().await;
}
