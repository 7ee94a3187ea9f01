//! From the counter to the door.

use pannier_testkit::eventually;
use serde_json::json;

use crate::dispatch::{Dispatch, PIN};

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_order_is_offered_carried_and_delivered() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 200.0).await;
    let (order, id) = dispatch.accepted().await;
    let offer = dispatch.offer(&rider, &order).await;
    assert_eq!(offer["allowed_actions"], json!(["accept", "decline"]));
    let delivery = rider.accept(&offer).await.ok();
    assert_eq!((&delivery["state"], &delivery["rider_id"]), (&json!("assigned"), &json!(rider.id)));
    assert_eq!(rider.accept(&offer).await.ok()["id"], delivery["id"], "saying yes twice is no failure");
    assert_eq!(rider.profile().await["active"], 1);

    rider.tap(&id, "at_pickup").await.ok();
    rider.tap(&id, "picked_up").await.ok();
    assert_eq!(rider.deliver(&id, "0000").await.told(), (422, "wrong_pin"));
    // Jumps over at_dropoff, and walks it all the same.
    let delivered = rider.deliver(&id, PIN).await.ok();
    assert_eq!(delivered["state"], "delivered");
    assert_eq!(rider.deliver(&id, PIN).await.ok()["version"], delivered["version"], "a second tap changes nothing");
    assert_eq!(rider.profile().await["active"], 0);

    let told = dispatch.ops().get(&format!("/v1/ops/deliveries/{id}")).await.ok();
    let states: Vec<_> = told["events"].as_array().unwrap().iter().map(|e| e["state"].as_str().unwrap()).collect();
    let expected = "scheduled searching offered assigned at_pickup picked_up at_dropoff delivered";
    assert_eq!(states.join(" "), expected);
    assert_eq!(dispatch.db.count("SELECT count(*) AS n FROM dispatch.timers").await, 0, "nothing is left to fire");
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_peoples_deliveries_do_not_exist() {
    let dispatch = Dispatch::start(json!({})).await;
    let (rider, other) = (dispatch.rider(2, 200.0).await, dispatch.rider_offline(2).await);
    let (_, id) = dispatch.assigned(&rider).await;
    assert_eq!(other.get(&format!("/v1/rider/deliveries/{id}")).await.status, 404);
    assert_eq!(other.tap(&id, "picked_up").await.status, 404);
    assert_eq!(rider.get("/v1/rider/deliveries?open=true").await.ok()["data"].as_array().unwrap().len(), 1);
    assert_eq!(other.get("/v1/rider/deliveries").await.ok()["data"], json!([]));
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rider_hears_of_offers_and_deliveries() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 200.0).await;
    let mut stream = rider.stream().await;
    let (_, id) = dispatch.assigned(&rider).await;
    rider.tap(&id, "picked_up").await.ok();
    let mut heard = String::new();
    while !heard.contains("\"picked_up\"") {
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(20), stream.chunk()).await;
        let chunk = chunk.unwrap_or_else(|_| panic!("waited for picked_up, heard {heard}")).expect("it goes on");
        heard.push_str(&String::from_utf8_lossy(&chunk.expect("it goes on")));
    }
    for record in ["event: offer", "\"sent\"", "\"accepted\"", "event: delivery", "\"assigned\"", "\"dropoff\""] {
        assert!(heard.contains(record), "no {record} in {heard}");
    }
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_found_in_time_is_given_up_and_said() {
    let dispatch = Dispatch::start(json!({})).await;
    let (_, id) = dispatch.accepted().await;
    dispatch.let_time_pass(std::time::Duration::from_secs(60 + 11 * 60)).await;
    eventually("somebody is told", || async { dispatch.alarms().await.contains(&"at_risk".to_owned()).then_some(()) })
        .await;
    dispatch.let_time_pass(std::time::Duration::from_secs(35 * 60)).await;
    let delivery = dispatch.delivery_is(&id, "unassignable").await;
    assert_eq!(delivery["reason"], "no_rider");
    assert!(dispatch.alarms().await.is_empty());
    dispatch.end().await;
}
