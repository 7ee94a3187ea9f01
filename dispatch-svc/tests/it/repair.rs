//! After a decline, the silence of a rider or a later ready time the next plan changes, and its round has the reason.

use chrono::{DateTime, TimeDelta, Utc};
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_testkit::eventually;
use serde_json::{Value, json};

use crate::dispatch::{Dispatch, an_order, later};
use crate::rider::Rider;

/// The rounds of a delivery, oldest first.
async fn rounds(dispatch: &Dispatch, id: &str) -> Vec<Value> {
    let rounds = dispatch.ops().get(&format!("/v1/ops/deliveries/{id}/rounds?limit=100")).await.ok();
    rounds["data"].as_array().expect("a list").clone()
}

/// Waits until the newest round fulfils a condition.
async fn round(dispatch: &Dispatch, id: &str, why: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(why, || async { rounds(dispatch, id).await.pop().filter(&is_so) }).await
}

fn gate<'r>(round: &'r Value, rider: &Rider) -> Option<&'r Value> {
    let candidates = round["candidates"].as_array().expect("a list");
    candidates.iter().find(|c| c["rider_id"] == rider.id.as_str()).map(|c| &c["gate"])
}

fn until(round: &Value) -> DateTime<Utc> {
    round["until_at"].as_str().expect("a hold has an end").parse().expect("a time")
}

/// An order that is ready in `minutes`, its delivery, and its first round, which holds it.
async fn held(dispatch: &Dispatch, minutes: i64) -> (OrderSnapshot, String, Value) {
    let ready_at = Some(Utc::now() + TimeDelta::minutes(minutes));
    let order = OrderSnapshot { ready_at, ..an_order(OrderState::Accepted) };
    dispatch.consume(&order).await;
    let id = dispatch.delivery_of(&order).await["id"].as_str().expect("an id").to_owned();
    let first = round(dispatch, &id, "it is held", |r| r["outcome"] == "hold").await;
    (order, id, first)
}

/// The shop states a ready time that is `minutes` later.
async fn slips(dispatch: &Dispatch, order: &OrderSnapshot, minutes: i64) {
    let ready_at = order.ready_at.map(|at| at + TimeDelta::minutes(minutes));
    dispatch.consume(&OrderSnapshot { ready_at, ..later(order, OrderState::Accepted) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_decline_the_next_plan_offers_to_another_rider() {
    let dispatch = Dispatch::start(json!({})).await;
    let (near, far) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 2_000.0).await);
    let (order, id) = dispatch.accepted().await;
    let offer = dispatch.offer(&near, &order).await;
    near.decline(&offer, json!({"reason": "flat tyre"})).await.ok();
    dispatch.offer(&far, &order).await;
    let rounds = rounds(&dispatch, &id).await;
    let outcomes: Vec<_> = rounds.iter().map(|r| r["outcome"].as_str().expect("a word")).collect();
    assert_eq!(outcomes, ["offer", "offer"]);
    assert_eq!(gate(&rounds[0], &near), Some(&Value::Null));
    assert_eq!(gate(&rounds[1], &near), Some(&json!("excluded")));
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_rider_is_not_planned_for() {
    let dispatch = Dispatch::start(json!({})).await;
    let riders = [dispatch.rider(2, 100.0).await, dispatch.rider(2, 900.0).await];
    let (_, id, first) = held(&dispatch, 12).await;
    let is_planned = |rider: &&Rider| first["planned_rider_id"] == rider.id.as_str();
    let planned = riders.iter().find(is_planned).expect("one of the two");
    let other = riders.iter().find(|r| r.id != planned.id).expect("the other");
    dispatch.silence(planned, 61).await;
    let again = round(&dispatch, &id, "it is planned anew", |r| gate(r, planned) == Some(&json!("stale"))).await;
    assert_eq!((&again["outcome"], &again["planned_rider_id"]), (&json!("hold"), &json!(other.id)));
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_of_a_silent_rider_is_offered_to_another() {
    let dispatch = Dispatch::start(json!({})).await;
    let (near, far) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 2_000.0).await);
    let (order, id) = dispatch.assigned(&near).await;
    dispatch.silence(&near, 301).await;
    dispatch.offer(&far, &order).await;
    let told = rounds(&dispatch, &id).await;
    let outcomes: Vec<_> = told.iter().map(|r| r["outcome"].as_str().expect("a word")).collect();
    assert_eq!(outcomes, ["offer", "offer"]);
    assert_eq!(gate(&told[1], &near), Some(&json!("stale")));
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_ready_time_makes_the_hold_longer() {
    for minutes in [12, 25] {
        let dispatch = Dispatch::start(json!({})).await;
        let rider = dispatch.rider(2, 100.0).await;
        let (order, id, first) = held(&dispatch, minutes).await;
        slips(&dispatch, &order, 15).await;
        let is_longer = |r: &Value| r["outcome"] == "hold" && until(r) > until(&first) + TimeDelta::minutes(1);
        let second = round(&dispatch, &id, "it is held for longer", is_longer).await;
        // The search for a rider begins 15 minutes before the food is ready.
        let ready_at = order.ready_at.expect("a time") + TimeDelta::minutes(15);
        let (off, reason) = (until(&second) - ready_at + TimeDelta::minutes(15), second["reason"].as_str());
        assert!(off.abs() < TimeDelta::seconds(1) && reason == Some("too_early"), "{minutes}: {second}");
        assert_eq!(rounds(&dispatch, &id).await.len(), 2, "the next plan made the second round");
        assert_eq!(rider.get("/v1/rider/offers").await.ok()["data"], json!([]));
        dispatch.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rider_who_waits_keeps_the_delivery_and_costs_more_for_the_next() {
    for zone in ["test", "next-door"] {
        let dispatch = Dispatch::start(json!({})).await;
        let (near, far) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 1_500.0).await);
        let (order, id) = dispatch.assigned(&near).await;
        slips(&dispatch, &order, 15).await;
        let kept = dispatch.delivery_is(&id, "assigned").await;
        assert_eq!((kept["rider_id"].as_str(), kept["attempt"].as_i64()), (Some(&*near.id), Some(1)));

        // The next order comes from the same place, in the same zone or in the one next door. The near rider is busy
        // for a quarter of an hour.
        let next = OrderSnapshot { zone_id: zone.parse().expect("a zone"), ..an_order(OrderState::Accepted) };
        dispatch.consume(&next).await;
        dispatch.offer(&far, &next).await;
        let other = dispatch.delivery_of(&next).await["id"].as_str().expect("an id").to_owned();
        let told = rounds(&dispatch, &other).await.pop().expect("a round");
        let cost = |rider: &Rider| {
            let candidates = told["candidates"].as_array().expect("a list");
            let of = candidates.iter().find(|c| c["rider_id"] == rider.id.as_str()).expect("listed");
            (of["gate"].clone(), of["cost"].as_i64().expect("priced"))
        };
        let ((gate, later), (_, sooner)) = (cost(&near), cost(&far));
        assert_eq!(gate, Value::Null, "allowed, at a higher cost");
        assert!(later > sooner + 5 * 60_000, "{zone}: {later} {sooner}");
        assert_eq!(dispatch.delivery_is(&id, "assigned").await["rider_id"], near.id.as_str());
        dispatch.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_orders_of_one_shop_are_offered_to_one_rider() {
    let dispatch = Dispatch::start(json!({})).await;
    let (near, _far) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 4_000.0).await);
    let first = an_order(OrderState::Accepted);
    let second = OrderSnapshot { merchant_id: first.merchant_id, ..an_order(OrderState::Accepted) };
    dispatch.consume(&first).await;
    dispatch.consume(&second).await;
    let (one, other) = (dispatch.offer(&near, &first).await, dispatch.offer(&near, &second).await);
    near.accept(&one).await.ok();
    near.accept(&other).await.ok();
    assert_eq!(near.profile().await["active"], 2);
    dispatch.end().await;
}
