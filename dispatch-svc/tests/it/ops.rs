//! Requests of operations.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::dispatch::{Dispatch, PIN};

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_changes_only_from_its_current_version() {
    let dispatch = Dispatch::start(json!({})).await;
    let (ops, path) = (dispatch.ops(), "/v1/ops/zones/test");
    let zone = ops.get(path).await.ok();
    let body = |policy: Value| json!({"name": "Test", "polygon": zone["polygon"], "policy": policy});
    ops.put(path, None, body(json!({}))).await.problem(428, "if_match_missing");
    ops.put(path, Some(&json!(7)), body(json!({}))).await.problem(412, "stale_version");
    for refused in [json!({"offers_per_delivery": 9}), json!({"minute_ms": 0}), json!({"minute_ms": 600_001})] {
        ops.put(path, Some(&json!(1)), body(refused)).await.problem(422, "zone_invalid");
    }
    let changed = ops.put(path, Some(&json!(1)), body(json!({"radius_m": 900}))).await.ok();
    assert_eq!((&changed["version"], &changed["policy"]["radius_m"]), (&json!(2), &json!(900)));
    assert_eq!(ops.get("/v1/ops/zones/nowhere").await.status, 404);
    assert_eq!(ops.get("/v1/ops/zones").await.ok()["data"].as_array().unwrap().len(), 1);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_reassigned_before_pickup_only() {
    let dispatch = Dispatch::start(json!({})).await;
    let (a, b) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 1_500.0).await);
    let (order, id) = dispatch.assigned(&a).await;
    let (ops, path) = (dispatch.ops(), format!("/v1/ops/deliveries/{id}/reassign"));
    let reason = || json!({"reason": "flat tyre"});
    let version = dispatch.delivery_of(&order).await["version"].clone();
    ops.post(&path, reason()).await.problem(428, "if_match_missing");
    ops.post_if(&path, &json!(version.as_i64().unwrap() - 1), reason()).await.problem(412, "stale_version");
    let taken = ops.post_if(&path, &version, reason()).await.ok();
    assert_eq!(
        (&taken["state"], &taken["attempt"], &taken["rider_id"]),
        (&json!("searching"), &json!(2), &json!(null))
    );
    assert_eq!(a.profile().await["active"], 0);

    // The app of the old rider reports late that the food was picked up before the reassignment. That raises an alarm.
    let earlier = (Utc::now() - TimeDelta::minutes(1)).to_rfc3339();
    let late = a.post(&format!("/v1/rider/deliveries/{id}/picked_up"), json!({"occurred_at": earlier})).await;
    late.problem(409, "reassigned");
    assert_eq!(dispatch.alarms().await, ["picked_up_before_reassign"]);

    let offer = dispatch.offer(&b, &order).await;
    b.accept(&offer).await.ok();
    b.report(&id, "picked_up").await.ok();
    let version = dispatch.delivery_of(&order).await["version"].clone();
    let refused = ops.post_if(&path, &version, reason()).await.problem(409, "illegal_transition");
    assert_eq!(refused["state"], "picked_up");
    b.deliver(&id, PIN).await.ok();
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_cannot_use_the_api_of_another() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider_offline(1).await;
    rider.get("/v1/ops/deliveries").await.problem(403, "wrong_role");
    dispatch.ops().get("/v1/rider/profile").await.problem(403, "wrong_role");
    assert_eq!(dispatch.ops().get("/v1/ops/riders").await.ok()["data"].as_array().unwrap().len(), 1);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_offer_can_be_withdrawn() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (order, id) = dispatch.accepted().await;
    let offer = dispatch.offer(&rider, &order).await;
    let version = dispatch.delivery_of(&order).await["version"].clone();
    let path = format!("/v1/ops/deliveries/{id}/reassign");
    let taken = dispatch.ops().post_if(&path, &version, json!({"reason": "a better one is near"})).await.ok();
    assert_eq!((&taken["state"], &taken["attempt"]), (&json!("searching"), &json!(2)));
    rider.accept(&offer).await.problem(409, "offer_revoked");
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_and_statistics_say_how_a_plan_was_made() {
    for policy in ["horizon", "greedy"] {
        let dispatch = Dispatch::start(json!({"dispatch": policy})).await;
        let (ops, rider) = (dispatch.ops(), dispatch.rider(2, 100.0).await);
        assert_eq!(ops.get("/v1/ops/zones/test").await.ok()["policy"]["dispatch"], policy);
        let (order, id) = dispatch.accepted().await;
        dispatch.offer(&rider, &order).await;
        let rounds = ops.get(&format!("/v1/ops/deliveries/{id}/rounds")).await.ok();
        let round = &rounds["data"][0];
        assert_eq!((&round["policy"], &round["fallback"]), (&json!(policy), &Value::Null), "{round}");
        for number in ["seed", "steps", "took_ms"] {
            assert!(round[number].is_u64(), "{number} in {round}");
        }
        let zone = ops.get("/v1/ops/dispatcher").await.ok()["data"][0].clone();
        assert_eq!(
            (&zone["zone_id"], &zone["policy"], &zone["fallbacks"]),
            (&json!("test"), &json!(policy), &json!(0))
        );
        assert!(
            zone["ticks"].as_u64() >= Some(1) && zone["took_ms"]["p50"].as_u64() <= zone["took_ms"]["max"].as_u64()
        );
        dispatch.end().await;
    }
}
