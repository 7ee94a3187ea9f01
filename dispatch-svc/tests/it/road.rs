//! Food on the road: it is brought back, lost, or handed over late, and every state on the way has a clock and exits.

use std::time::Duration;

use dispatch_svc::tasks::sweeper::sweep;
use pannier_contracts::order::OrderState;
use pannier_testkit::eventually;
use serde_json::{Value, json};

use crate::dispatch::{Dispatch, PIN, later};
use crate::rider::Rider;

/// How a rider gets from the counter to a state in which they have the food.
async fn bring_to(rider: &Rider, id: &str, state: &str) {
    rider.report(id, "picked_up").await.ok();
    if state == "at_dropoff" {
        rider.report(id, "at_dropoff").await.ok();
    } else if state == "returning" {
        rider.fail(id, "rider_unable").await.ok();
    }
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

#[tokio::test(flavor = "multi_thread")]
async fn food_that_cannot_be_handed_over_goes_back_with_its_reason() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    for (from, reason) in [
        ("picked_up", "address_wrong"),
        ("picked_up", "food_spoilt"),
        ("at_dropoff", "customer_refused"),
        ("at_dropoff", "rider_unable"),
    ] {
        let (_, id) = dispatch.assigned(&rider).await;
        bring_to(&rider, &id, from).await;
        let back = rider.fail(&id, reason).await.ok();
        assert_eq!((&back["state"], &back["reason"]), (&json!("returning"), &json!(reason)));
        assert_eq!(back["allowed_actions"], json!(["returned"]));
        let again = rider.fail(&id, "food_spoilt").await.ok();
        assert_eq!((&again["version"], &again["reason"]), (&back["version"], &back["reason"]), "twice is harmless");
        assert_eq!(dispatch.timers_of(&id).await, ["slow_return"]);
        assert_eq!(rider.profile().await["active"], 1);

        let there = rider.report(&id, "returned").await.ok();
        assert_eq!((&there["state"], &there["reason"]), (&json!("returned"), &json!(reason)));
        assert_eq!(rider.report(&id, "returned").await.ok()["version"], there["version"]);
        assert_eq!(rider.fail(&id, reason).await.ok()["version"], there["version"]);
        assert_eq!(rider.profile().await["active"], 0);
        assert_eq!(dispatch.timers_of(&id).await, [""; 0]);
    }
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_failure_is_refused_before_pickup_and_after_the_door() {
    let dispatch = Dispatch::start(json!({})).await;
    let (rider, other) = (dispatch.rider(2, 100.0).await, dispatch.rider_offline(2).await);
    let (_, id) = dispatch.assigned(&rider).await;
    let refused = rider.fail(&id, "rider_unable").await.problem(409, "illegal_transition");
    assert_eq!(
        (&refused["state"], &refused["allowed_actions"]),
        (&json!("assigned"), &json!(["at_pickup", "picked_up"]))
    );
    rider.report(&id, "at_pickup").await.ok();
    rider.fail(&id, "rider_unable").await.problem(409, "illegal_transition");
    rider.report(&id, "picked_up").await.ok();
    rider.fail(&id, "no such word").await.problem(400, "body_invalid");
    other.fail(&id, "rider_unable").await.problem(404, "not_found");
    rider.deliver(&id, PIN).await.ok();
    rider.fail(&id, "rider_unable").await.problem(409, "illegal_transition");
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_absent_after_the_wait_at_the_door() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (_, id) = dispatch.picked_up(&rider).await;
    let refused = rider.fail(&id, "customer_absent").await.problem(409, "customer_wait_not_over");
    assert_eq!((&refused["wait_ms"], &refused["state"]), (&json!(300_000), &json!("picked_up")));
    assert_eq!(refused["allowed_actions"], json!(["at_dropoff", "delivered", "failed"]));

    rider.report(&id, "at_dropoff").await.ok();
    dispatch.let_time_pass(Duration::from_secs(200)).await;
    let path = format!("/v1/rider/deliveries/{id}/failed");
    let tap = || rider.post_as(&path, "one-tap-of-the-rider", json!({"reason": "customer_absent"}));
    let refused = tap().await.problem(409, "customer_wait_not_over");
    let left = refused["wait_ms"].as_i64().expect("a number");
    assert!((1..=100_000).contains(&left) && refused["retryable"] == true, "{refused}");
    // The same tap, with the same key, is accepted once the wait is over.
    dispatch.let_time_pass(Duration::from_secs(100)).await;
    let back = tap().await.ok();
    assert_eq!((&back["state"], &back["reason"]), (&json!("returning"), &json!("customer_absent")));
    assert!(tap().await.replayed);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_says_how_long_customers_are_waited_for() {
    let dispatch = Dispatch::start(json!({"customer_wait_ms": 0})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (_, id) = dispatch.picked_up(&rider).await;
    rider.report(&id, "at_dropoff").await.ok();
    assert_eq!(rider.fail(&id, "customer_absent").await.ok()["state"], "returning");
    let zone = dispatch.ops().get("/v1/ops/zones/test").await.ok();
    let body = json!({"name": "Test", "polygon": zone["polygon"], "policy": {"customer_wait_ms": -1}});
    dispatch.ops().put("/v1/ops/zones/test", Some(&zone["version"]), body).await.problem(422, "zone_invalid");
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_call_food_back() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let why = || json!({"reason": "she moved to 12 Elm Street"});
    for (from, body, code) in [
        ("picked_up", why(), "called_back"),
        ("at_dropoff", json!({"reason": "no answer", "cause": "customer_absent"}), "customer_absent"),
    ] {
        let (_, id) = dispatch.assigned(&rider).await;
        let refused = dispatch.act(&id, "return", why()).await.problem(409, "illegal_transition");
        assert_eq!((&refused["state"], &refused["allowed_actions"]), (&json!("assigned"), &json!(["reassign"])));
        bring_to(&rider, &id, from).await;
        let path = format!("/v1/ops/deliveries/{id}/return");
        dispatch.ops().post(&path, body.clone()).await.problem(428, "if_match_missing");
        dispatch.ops().post_if(&path, &json!(1), body.clone()).await.problem(412, "stale_version");
        let back = dispatch.act(&id, "return", body.clone()).await.ok();
        assert_eq!((&back["state"], &back["reason"]), (&json!("returning"), &json!(code)));
        assert_eq!(back["allowed_actions"], json!(["returned", "settle"]));
        assert!(!back.to_string().contains("Elm"), "what people wrote is not in the snapshot");
        assert_eq!(dispatch.act(&id, "return", why()).await.ok()["version"], back["version"], "twice is harmless");
        assert_eq!(rider.report(&id, "returned").await.ok()["state"], "returned");
        dispatch.act(&id, "return", why()).await.problem(409, "illegal_transition");
    }
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_says_that_the_food_is_back() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (_, id) = dispatch.picked_up(&rider).await;
    dispatch.act(&id, "returned", json!({})).await.problem(409, "illegal_transition");
    rider.fail(&id, "food_spoilt").await.ok();
    let path = format!("/v1/ops/deliveries/{id}/returned");
    dispatch.ops().post(&path, json!({})).await.problem(428, "if_match_missing");
    dispatch.ops().post_if(&path, &json!(1), json!({})).await.problem(412, "stale_version");
    let there = dispatch.act(&id, "returned", json!({})).await.ok();
    assert_eq!((&there["state"], &there["reason"]), (&json!("returned"), &json!("food_spoilt")));
    assert_eq!(rider.profile().await["active"], 0);
    assert_eq!(dispatch.act(&id, "returned", json!({})).await.ok()["version"], there["version"]);
    assert_eq!(rider.report(&id, "returned").await.ok()["version"], there["version"], "the rider's tap comes later");
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_settled_and_frees_the_rider() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    for (from, outcome, state, code) in [
        ("picked_up", "lost", "failed", json!("rider_lost")),
        ("at_dropoff", "lost", "failed", json!("rider_lost")),
        ("returning", "lost", "failed", json!("rider_lost")),
        ("picked_up", "delivered", "delivered", Value::Null),
        ("at_dropoff", "delivered", "delivered", Value::Null),
        ("returning", "delivered", "delivered", Value::Null),
        ("picked_up", "returned", "returned", json!("rider_lost")),
        ("at_dropoff", "returned", "returned", json!("rider_lost")),
        // It was on its way back for a reason of its own.
        ("returning", "returned", "returned", json!("rider_unable")),
    ] {
        let settle = |outcome: &str| json!({"outcome": outcome, "reason": "rider_lost", "note": "hospital"});
        let (_, id) = dispatch.assigned(&rider).await;
        dispatch.act(&id, "settle", settle(outcome)).await.problem(409, "illegal_transition");
        bring_to(&rider, &id, from).await;
        let path = format!("/v1/ops/deliveries/{id}/settle");
        dispatch.ops().post(&path, settle(outcome)).await.problem(428, "if_match_missing");
        dispatch.ops().post_if(&path, &json!(1), settle(outcome)).await.problem(412, "stale_version");
        let ended = dispatch.act(&id, "settle", settle(outcome)).await.ok();
        assert_eq!((&ended["state"], &ended["reason"]), (&json!(state), &code), "{from} {outcome}");
        assert_eq!(ended["allowed_actions"], json!([]));
        assert!(!ended.to_string().contains("hospital"), "{ended}");
        assert_eq!(rider.profile().await["active"], 0);
        assert_eq!(dispatch.timers_of(&id).await, [""; 0]);
        assert_eq!(dispatch.act(&id, "settle", settle(outcome)).await.ok()["version"], ended["version"]);
        let other = if outcome == "lost" { "delivered" } else { "lost" };
        dispatch.act(&id, "settle", settle(other)).await.problem(409, "illegal_transition");
    }
    let (_, id) = dispatch.picked_up(&rider).await;
    for wrong in [json!({"outcome": "eaten", "reason": "food_lost"}), json!({"outcome": "lost", "reason": "hunger"})] {
        dispatch.act(&id, "settle", wrong).await.problem(400, "body_invalid");
    }
    let lost = json!({"outcome": "lost", "reason": "food_lost"});
    assert_eq!(dispatch.act(&id, "settle", lost).await.ok()["reason"], "food_lost");
    // The rider is back, and their taps come too late.
    rider.deliver(&id, PIN).await.problem(409, "illegal_transition");
    assert!(dispatch.alarms().await.is_empty());
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_hand_over_stands_although_the_food_was_to_go_back() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (order, id) = dispatch.picked_up(&rider).await;
    let back = dispatch.act(&id, "return", json!({"reason": "the order is refunded"})).await.ok();
    rider.deliver(&id, "0000").await.problem(422, "wrong_pin");
    let earlier = (chrono::Utc::now() - chrono::TimeDelta::minutes(1)).to_rfc3339();
    let path = format!("/v1/rider/deliveries/{id}/delivered");
    let delivered = rider.post(&path, json!({"pin": PIN, "occurred_at": earlier})).await.ok();
    assert_eq!((&delivered["state"], &delivered["reason"]), (&json!("delivered"), &Value::Null));
    assert_eq!(delivered["version"].as_i64(), back["version"].as_i64().map(|v| v + 1));
    assert_eq!(rider.profile().await["active"], 0);
    assert_eq!(dispatch.alarms().await, ["delivered_while_returning"]);
    assert_eq!(rider.deliver(&id, PIN).await.ok()["version"], delivered["version"]);
    rider.fail(&id, "rider_unable").await.problem(409, "illegal_transition");
    // The order's end, which the return had caused, is late.
    dispatch.consume(&later(&order, OrderState::Cancelled)).await;
    assert_eq!(dispatch.delivery(&id).await["state"], "delivered");
    dispatch.end().await;
}

/// Lets time pass until the delivery's clock rings, and checks that it stays as it is, with the same exits.
async fn rings(dispatch: &Dispatch, id: &str, after: Duration, alarm: &str, exits: Value) {
    assert_eq!(dispatch.timers_of(id).await, [alarm], "its only clock");
    let before = dispatch.delivery(id).await;
    assert_eq!(before["allowed_actions"], exits);
    dispatch.let_time_pass(after).await;
    eventually(&format!("{alarm} is raised"), || async { (dispatch.alarms().await == [alarm]).then_some(()) }).await;
    let now = dispatch.delivery(id).await;
    assert_eq!((&now["version"], &now["allowed_actions"]), (&before["version"], &exits));
    assert_eq!(sweep(&dispatch.pool).await.expect("it sweeps"), 0, "the alarm took the place of the timer");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_road_every_clock_rings_and_no_exit_closes() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 0.0).await;
    let (_, id) = dispatch.assigned(&rider).await;
    assert_eq!(dispatch.timers_of(&id).await, ["no_movement"]);
    rider.report(&id, "at_pickup").await.ok();
    rings(&dispatch, &id, minutes(21), "long_wait_at_pickup", json!(["reassign"])).await;
    rider.report(&id, "picked_up").await.ok();
    assert!(dispatch.alarms().await.is_empty(), "the rider moved on");
    rings(&dispatch, &id, minutes(46), "slow_ride", json!(["return", "settle"])).await;
    rider.report(&id, "at_dropoff").await.ok();
    rings(&dispatch, &id, minutes(21), "long_wait_at_door", json!(["return", "settle"])).await;
    rider.fail(&id, "customer_absent").await.ok();
    rings(&dispatch, &id, minutes(61), "slow_return", json!(["returned", "settle"])).await;
    dispatch.act(&id, "settle", json!({"outcome": "lost", "reason": "food_lost"})).await.ok();
    assert!(dispatch.alarms().await.is_empty());
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_lost_is_set_again() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 0.0).await;
    let (_, id) = dispatch.assigned(&rider).await;
    for (report, clock) in
        [("at_pickup", "long_wait_at_pickup"), ("picked_up", "slow_ride"), ("at_dropoff", "long_wait_at_door")]
    {
        rider.report(&id, report).await.ok();
        dispatch.db.execute("DELETE FROM dispatch.timers").await;
        sweep(&dispatch.pool).await.expect("it sweeps");
        assert_eq!(dispatch.timers_of(&id).await, [clock]);
    }
    dispatch.end().await;
}
