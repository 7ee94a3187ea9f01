//! One order from tap to door.

use pannier_tests::TestCity;
use pannier_tests::city::text;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_goes_from_tap_to_door() {
    let city = TestCity::start().await;
    let (shop, customer, rider) = (city.shop().await, city.customer(), city.rider().await);
    let (order, delivery) = city.assigned(&customer, &shop, &rider).await;
    let delivery = format!("/v1/rider/deliveries/{}", text(&delivery["id"]));
    rider.post(&format!("{delivery}/at_pickup"), json!({})).await.ok();
    rider.post(&format!("{delivery}/picked_up"), json!({})).await.ok();
    city.order_is(&customer, &order, "delivering").await;
    rider.post(&format!("{delivery}/at_dropoff"), json!({})).await.ok();
    let wrong = rider.post(&format!("{delivery}/delivered"), json!({"pin": "nope"})).await;
    assert_eq!((wrong.status, wrong.code()), (422, "wrong_pin"));
    rider.post(&format!("{delivery}/delivered"), json!({"pin": order["pin"]})).await.ok();
    city.order_is(&customer, &order, "delivered").await;
    city.ends_as(&order, ["delivered", "handed_over", "delivered", "captured"]).await;
    every_event_is_shown(&city, text(&order["id"])).await;
    city.end().await;
}

/// Operations see every event of the order, each in the service that has it, and nothing of another order.
async fn every_event_is_shown(city: &TestCity, order: &str) {
    let mut seen = Vec::new();
    for (base, schema) in
        [(&city.order_url, "orders"), (&city.merchant_url, "merchant"), (&city.dispatch_url, "dispatch")]
    {
        let events = city.ops(base).get(&format!("/v1/ops/orders/{order}/events")).await.ok();
        let events = events["data"].as_array().expect("a list").clone();
        // The only order: what is not of a shop, a rider or a zone is of it.
        let all = format!(
            "SELECT count(*) AS n FROM {schema}.events WHERE aggregate IN ('order', 'progress', 'payment', 'ticket', 'delivery', 'offer')"
        );
        assert_eq!(city.db.count(&all).await, i64::try_from(events.len()).expect("few"), "{schema}");
        assert!(events.iter().all(|event| event["traceparent"].is_string()), "each has its trace");
        seen.extend(events.iter().map(|event| text(&event["type"]).to_owned()));
        let unknown = city.ops(base).get("/v1/ops/orders/ord_0192f3c27b2e7d1a8f4e5a6b7c8d9e0f/events").await;
        assert_eq!(unknown.status, 404);
    }
    for kind in
        ["order.placed.v1", "payment.changed.v1", "ticket.accepted.v1", "offer.accepted.v1", "delivery.delivered.v1"]
    {
        assert!(seen.iter().any(|seen| seen == kind), "{kind} is shown: {seen:?}");
    }
}
