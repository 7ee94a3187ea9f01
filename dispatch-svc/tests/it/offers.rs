//! Who is asked, and who wins.

use std::time::Duration;

use futures::join;
use pannier_testkit::eventually;
use serde_json::json;

use crate::dispatch::Dispatch;

#[tokio::test(flavor = "multi_thread")]
async fn two_riders_say_yes_and_one_has_it() {
    let dispatch = Dispatch::start(json!({"offers_per_delivery": 2})).await;
    let (a, b) = (dispatch.rider(2, 200.0).await, dispatch.rider(2, 300.0).await);
    let (order, id) = dispatch.accepted().await;
    let (to_a, to_b) = (dispatch.offer(&a, &order).await, dispatch.offer(&b, &order).await);
    let (yes_a, yes_b) = join!(a.accept(&to_a), b.accept(&to_b));
    let mut told = [yes_a.told(), yes_b.told()];
    told.sort_unstable();
    assert_eq!(told, [(200, ""), (409, "offer_revoked")]);
    assert_eq!(dispatch.delivery_is(&id, "assigned").await["state"], "assigned");
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_runs_out_goes_to_the_next() {
    let dispatch = Dispatch::start(json!({})).await;
    let (near, far) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 2_000.0).await);
    let (order, _) = dispatch.accepted().await;
    let offer = dispatch.offer(&near, &order).await;
    dispatch.let_time_pass(Duration::from_secs(21)).await;
    assert_eq!(near.accept(&offer).await.told(), (409, "offer_expired"));
    let next = dispatch.offer(&far, &order).await;
    far.accept(&next).await.ok();
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_declines_is_not_asked_again() {
    let dispatch = Dispatch::start(json!({})).await;
    let (near, far) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 2_000.0).await);
    let (order, id) = dispatch.accepted().await;
    let offer = dispatch.offer(&near, &order).await;
    let path = format!("/v1/rider/offers/{}/decline", offer["id"].as_str().unwrap());
    assert_eq!(near.post(&path, json!({"reason": "too far"})).await.ok()["state"], "declined");
    assert_eq!(near.post(&path, json!({})).await.ok()["state"], "declined", "saying no twice is no failure");
    assert_eq!(near.accept(&offer).await.told(), (409, "illegal_transition"));
    dispatch.offer(&far, &order).await;
    let rounds = dispatch.ops().get(&format!("/v1/ops/deliveries/{id}/rounds")).await.ok();
    let last = rounds["data"].as_array().unwrap().last().cloned().unwrap();
    let gates: Vec<_> = last["candidates"].as_array().unwrap().iter().map(|c| c["gate"].clone()).collect();
    assert_eq!((&last["outcome"], gates), (&json!("offer"), vec![json!(null), json!("excluded")]));
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rider_is_never_asked_for_more_than_they_can_take() {
    for policy in ["horizon", "greedy"] {
        never_more_than_they_can_take(policy).await;
    }
}

async fn never_more_than_they_can_take(policy: &str) {
    let dispatch = Dispatch::start(json!({"dispatch": policy})).await;
    let rider = dispatch.rider(1, 100.0).await;
    let (first, _) = dispatch.accepted().await;
    let (second, waiting) = dispatch.accepted().await;
    let offer = eventually("one of the two is offered", || async {
        match rider.offer_of(&first).await {
            Some(offer) => Some(offer),
            None => rider.offer_of(&second).await,
        }
    })
    .await;
    let mine = rider.accept(&offer).await.ok();
    let other = dispatch.ops().get("/v1/ops/deliveries?open=true").await.ok();
    let other = other["data"].as_array().unwrap().iter().find(|d| d["id"] != mine["id"]).cloned().unwrap();
    assert_eq!(other["state"], "searching");
    let rounds = format!("/v1/ops/deliveries/{}/rounds", other["id"].as_str().unwrap());
    eventually("the round says why", || async {
        let rounds = dispatch.ops().get(&rounds).await.ok();
        let last = rounds["data"].as_array()?.last()?.clone();
        let is_planned = last["outcome"] == "hold" && last["planned_rider_id"] == rider.id.as_str();
        (is_planned || last["candidates"][0]["gate"] == "no_capacity").then_some(())
    })
    .await;
    let _ = waiting;
    // Freed, they are asked for the other one at once.
    let id = mine["id"].as_str().unwrap();
    rider.tap(id, "picked_up").await.ok();
    rider.deliver(id, crate::dispatch::PIN).await.ok();
    dispatch.delivery_is(other["id"].as_str().unwrap(), "offered").await;
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_has_said_no() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (order, id) = dispatch.accepted().await;
    let offer = dispatch.offer(&rider, &order).await;
    assert_eq!(rider.post("/v1/rider/offline", json!({})).await.ok()["status"], "offline");
    dispatch.delivery_is(&id, "searching").await;
    assert_eq!(rider.accept(&offer).await.told(), (409, "offer_revoked"));
    // Coming back counts at once.
    rider.post("/v1/rider/online", json!({"place": crate::dispatch::north(50.0)})).await.ok();
    dispatch.offer(&rider, &order).await;
    dispatch.end().await;
}
