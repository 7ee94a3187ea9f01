//! One idempotency key performs one action, however often the request is sent.

use std::collections::BTreeSet;

use futures::future::join_all;
use pannier_tests::TestCity;
use pannier_tests::city::{in_a_minute, text};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_performs_one_action() {
    let city = TestCity::start().await;
    let (shop, customer, stranger) = (city.shop().await, city.customer(), city.customer());

    // A hundred requests at once make one order and get one answer.
    let quote = city.quote(&customer, &shop).await;
    let body = json!({"quote_id": quote["id"], "payment_method": "tok_ok"});
    let answers = join_all((0..100).map(|_| customer.post_as("/v1/orders", "a-hundred-times", body.clone()))).await;
    let said: BTreeSet<_> = answers.iter().map(|a| format!("{} {}", a.status, a.body)).collect();
    assert_eq!(said.len(), 1, "{said:#?}");
    assert_eq!(answers[0].status, 201, "{said:?}");
    assert_eq!(
        answers.iter().filter(|a| !a.replayed).count(),
        1,
        "one request acts, the others get its answer replayed"
    );
    let orders = customer.get("/v1/orders").await.ok();
    assert_eq!(orders["data"].as_array().unwrap().len(), 1);

    // The same key with another body.
    let other = json!({"quote_id": quote["id"], "payment_method": "tok_declined"});
    customer.post_as("/v1/orders", "a-hundred-times", other).await.problem(422, "idempotency_key_reused");

    // A key is scoped to its customer: another customer does not get this answer.
    let quote = city.quote(&stranger, &shop).await;
    let theirs = json!({"quote_id": quote["id"], "payment_method": "tok_ok"});
    let theirs = stranger.post_as("/v1/orders", "a-hundred-times", theirs).await;
    assert!(!theirs.replayed && theirs.status == 201 && theirs.body["id"] != answers[0].body["id"], "{theirs:?}");

    // A refusal is stored and replayed, too.
    let no = customer.post_as("/v1/orders", "the-second-order", body.clone()).await;
    let again = customer.post_as("/v1/orders", "the-second-order", body.clone()).await;
    assert_eq!((no.replayed, again.replayed), (false, true));
    assert_eq!(no.body["detail"], again.body["detail"]);
    no.problem(409, "quote_used");
    again.problem(409, "quote_used");

    // No key, or an invalid one.
    let send = |key| customer.send(reqwest::Method::POST, "/v1/orders", key, None, Some(body.clone()));
    send(None).await.problem(400, "idempotency_key_missing");
    send(Some("short")).await.problem(400, "idempotency_key_invalid");
    send(Some("with a space in it")).await.problem(400, "idempotency_key_invalid");
    send(Some(&"x".repeat(256))).await.problem(400, "idempotency_key_invalid");
    city.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_performs_one_action_across_services() {
    let city = TestCity::start().await;
    let (shop, customer, rider) = (city.shop().await, city.customer(), city.rider().await);

    // The same accept request twenty times: order-svc and merchant-svc act once.
    let (order, ticket) = city.ticket(&customer, &shop).await;
    let path = format!("/v1/merchant/tickets/{}/accept", text(&ticket["id"]));
    let body = json!({"ready_at": in_a_minute()});
    let tap = || {
        let request = shop.request(reqwest::Method::POST, &path).header("Idempotency-Key", "the-same-tap");
        let request = request.header("If-Match", ticket["version"].to_string()).json(&body);
        async { pannier_tests::Answer::of(request.send().await.unwrap()).await }
    };
    let answers = join_all((0..20).map(|_| tap())).await;
    let said: BTreeSet<_> = answers.iter().map(|a| format!("{} {}", a.status, a.body)).collect();
    assert_eq!(said.len(), 1, "{said:#?}");
    assert_eq!((answers[0].status, &answers[0].body["state"]), (200, &json!("accepted")));
    assert_eq!(answers.iter().filter(|a| !a.replayed).count(), 1);
    let late = tap().await;
    assert!(late.replayed && late.body == answers[0].body, "{late:?}");

    // A rider without reception sends a tap again and again, even after the delivery has reached a later state.
    let offer = city.offer(&rider, &order).await;
    let accept = format!("/v1/rider/offers/{}/accept", text(&offer["id"]));
    let answers = join_all((0..10).map(|_| rider.post_as(&accept, "my-offline-tap", json!({})))).await;
    assert_eq!(answers.iter().filter(|a| a.status == 200 && !a.replayed).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|a| a.body == answers[0].body), "{answers:?}");
    let delivery = format!("/v1/rider/deliveries/{}", text(&answers[0].body["id"]));
    let there = rider.post_as(&format!("{delivery}/at_pickup"), "i-am-there-now", json!({})).await.ok();
    rider.post_as(&format!("{delivery}/picked_up"), "i-have-it-now", json!({})).await.ok();
    let again = rider.post_as(&format!("{delivery}/at_pickup"), "i-am-there-now", json!({})).await;
    assert!(again.replayed && again.body == there, "{again:?}");
    assert_eq!(rider.get(&delivery).await.ok()["state"], "picked_up");
    city.end().await;
}
