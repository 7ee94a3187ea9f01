//! Offers: which riders get them, and which rider gets the delivery.

use std::time::Duration;

use futures::join;
use pannier_testkit::eventually;
use serde_json::json;

use crate::dispatch::Dispatch;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_riders_who_accept_one_gets_the_delivery() {
    let dispatch = Dispatch::start(json!({"offers_per_delivery": 2})).await;
    let (a, b) = (dispatch.rider(2, 200.0).await, dispatch.rider(2, 300.0).await);
    let (order, id) = dispatch.accepted().await;
    let (to_a, to_b) = (dispatch.offer(&a, &order).await, dispatch.offer(&b, &order).await);
    let (yes_a, yes_b) = join!(a.accept(&to_a), b.accept(&to_b));
    let mut answers = [&yes_a, &yes_b].map(|yes| (yes.status, yes.code()));
    answers.sort_unstable();
    assert_eq!(answers, [(200, ""), (409, "offer_revoked")]);
    assert_eq!(dispatch.delivery_is(&id, "assigned").await["state"], "assigned");
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_offer_has_expired_the_next_rider_gets_one() {
    let dispatch = Dispatch::start(json!({})).await;
    let (near, far) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 2_000.0).await);
    let (order, _) = dispatch.accepted().await;
    let offer = dispatch.offer(&near, &order).await;
    dispatch.let_time_pass(Duration::from_secs(21)).await;
    near.accept(&offer).await.problem(409, "offer_expired");
    let next = dispatch.offer(&far, &order).await;
    far.accept(&next).await.ok();
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rider_who_declined_gets_no_new_offer() {
    let dispatch = Dispatch::start(json!({})).await;
    let (near, far) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 2_000.0).await);
    let (order, id) = dispatch.accepted().await;
    let offer = dispatch.offer(&near, &order).await;
    assert_eq!(near.decline(&offer, json!({"reason": "too far"})).await.ok()["state"], "declined");
    assert_eq!(near.decline(&offer, json!({})).await.ok()["state"], "declined", "declining twice succeeds");
    near.accept(&offer).await.problem(409, "illegal_transition");
    dispatch.offer(&far, &order).await;
    let rounds = dispatch.ops().get(&format!("/v1/ops/deliveries/{id}/rounds")).await.ok();
    let last = rounds["data"].as_array().unwrap().last().cloned().unwrap();
    let gates: Vec<_> = last["candidates"].as_array().unwrap().iter().map(|c| c["gate"].clone()).collect();
    assert_eq!((&last["outcome"], gates), (&json!("offer"), vec![json!(null), json!("excluded")]));
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rider_has_no_more_offers_than_capacity() {
    for policy in ["horizon", "greedy"] {
        no_more_offers_than_capacity(policy).await;
    }
}

async fn no_more_offers_than_capacity(policy: &str) {
    let dispatch = Dispatch::start(json!({"dispatch": policy})).await;
    let rider = dispatch.rider(1, 100.0).await;
    let (first, _) = dispatch.accepted().await;
    let (second, _) = dispatch.accepted().await;
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
    eventually("the round gives the reason", || async {
        let rounds = dispatch.ops().get(&rounds).await.ok();
        let last = rounds["data"].as_array()?.last()?.clone();
        let is_planned = last["outcome"] == "hold" && last["planned_rider_id"] == rider.id.as_str();
        (is_planned || last["candidates"][0]["gate"] == "no_capacity").then_some(())
    })
    .await;
    // With free capacity, the rider gets an offer of the other one at once.
    let id = mine["id"].as_str().unwrap();
    rider.report(id, "picked_up").await.ok();
    rider.deliver(id, crate::dispatch::PIN).await.ok();
    dispatch.delivery_is(other["id"].as_str().unwrap(), "offered").await;
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn going_offline_revokes_open_offers() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (order, id) = dispatch.accepted().await;
    let offer = dispatch.offer(&rider, &order).await;
    assert_eq!(rider.post("/v1/rider/offline", json!({})).await.ok()["status"], "offline");
    dispatch.delivery_is(&id, "searching").await;
    rider.accept(&offer).await.problem(409, "offer_revoked");
    // Online again, the rider gets an offer at once.
    rider.post("/v1/rider/online", json!({"place": crate::dispatch::north(50.0)})).await.ok();
    dispatch.offer(&rider, &order).await;
    dispatch.end().await;
}
