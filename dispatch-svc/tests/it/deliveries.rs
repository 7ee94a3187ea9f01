//! Deliveries from the offer to the door.

use pannier_testkit::{Frame, eventually};
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
    assert_eq!(rider.accept(&offer).await.ok()["id"], delivery["id"], "accepting twice succeeds");
    assert_eq!(rider.profile().await["active"], 1);

    rider.report(&id, "at_pickup").await.ok();
    rider.report(&id, "picked_up").await.ok();
    rider.deliver(&id, "0000").await.problem(422, "wrong_pin");
    // Skips at_dropoff; the transition is applied all the same.
    let delivered = rider.deliver(&id, PIN).await.ok();
    assert_eq!(delivered["state"], "delivered");
    assert_eq!(rider.deliver(&id, PIN).await.ok()["version"], delivered["version"], "a second report changes nothing");
    assert_eq!(rider.profile().await["active"], 0);

    let history = dispatch.ops().get(&format!("/v1/ops/deliveries/{id}")).await.ok();
    let states: Vec<_> = history["events"].as_array().unwrap().iter().map(|e| e["state"].as_str().unwrap()).collect();
    let expected = "scheduled searching offered assigned at_pickup picked_up at_dropoff delivered";
    assert_eq!(states.join(" "), expected);
    assert_eq!(dispatch.db.count("SELECT count(*) AS n FROM dispatch.timers").await, 0, "no timer is left");
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_of_other_riders_are_not_found() {
    let dispatch = Dispatch::start(json!({})).await;
    let (rider, other) = (dispatch.rider(2, 200.0).await, dispatch.rider_offline(2).await);
    let (_, id) = dispatch.assigned(&rider).await;
    assert_eq!(other.get(&format!("/v1/rider/deliveries/{id}")).await.status, 404);
    assert_eq!(other.report(&id, "picked_up").await.status, 404);
    assert_eq!(rider.get("/v1/rider/deliveries?open=true").await.ok()["data"].as_array().unwrap().len(), 1);
    assert_eq!(other.get("/v1/rider/deliveries").await.ok()["data"], json!([]));
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_shows_offers_and_deliveries() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 200.0).await;
    let mut stream = rider.stream().await;
    let (_, id) = dispatch.assigned(&rider).await;
    rider.report(&id, "picked_up").await.ok();
    for (event, state) in
        [("offer", "sent"), ("offer", "accepted"), ("delivery", "assigned"), ("delivery", "picked_up")]
    {
        let is_it = |frame: &Frame| frame.event == event && frame.data["state"] == state;
        let record = stream.until(&format!("the {event} is {state}"), is_it).await;
        assert!(record.data["dropoff"].is_object(), "{record:?}");
    }
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_without_a_rider_raises_an_alarm_and_is_given_up() {
    let dispatch = Dispatch::start(json!({})).await;
    let (_, id) = dispatch.accepted().await;
    dispatch.let_time_pass(std::time::Duration::from_secs(60 + 11 * 60)).await;
    eventually("an alarm is open", || async { dispatch.alarms().await.contains(&"at_risk".to_owned()).then_some(()) })
        .await;
    dispatch.let_time_pass(std::time::Duration::from_secs(35 * 60)).await;
    let delivery = dispatch.delivery_is(&id, "unassignable").await;
    assert_eq!(delivery["reason"], "no_rider");
    assert!(dispatch.alarms().await.is_empty());
    dispatch.end().await;
}
