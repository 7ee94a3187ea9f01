//! What operations do.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::dispatch::{Dispatch, PIN};

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_changes_only_for_who_saw_it() {
    let dispatch = Dispatch::start(json!({})).await;
    let (ops, path) = (dispatch.ops(), "/v1/ops/zones/test");
    let zone = ops.get(path).await.ok();
    let body = |policy: Value| json!({"name": "Test", "polygon": zone["polygon"], "policy": policy});
    assert_eq!(ops.put(path, body(json!({}))).await.told(), (428, "if_match_missing"));
    assert_eq!(ops.put_if(path, 7, body(json!({}))).await.told(), (412, "stale_version"));
    for refused in [json!({"offers_per_delivery": 9}), json!({"minute_ms": 0}), json!({"minute_ms": 60_001})] {
        assert_eq!(ops.put_if(path, 1, body(refused)).await.told(), (422, "zone_invalid"));
    }
    let changed = ops.put_if(path, 1, body(json!({"radius_m": 900}))).await.ok();
    assert_eq!((&changed["version"], &changed["policy"]["radius_m"]), (&json!(2), &json!(900)));
    assert_eq!(ops.get("/v1/ops/zones/nowhere").await.status, 404);
    assert_eq!(ops.get("/v1/ops/zones").await.ok()["data"].as_array().unwrap().len(), 1);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_goes_to_somebody_else_before_pickup_only() {
    let dispatch = Dispatch::start(json!({})).await;
    let (a, b) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 1_500.0).await);
    let (order, id) = dispatch.assigned(&a).await;
    let (ops, path) = (dispatch.ops(), format!("/v1/ops/deliveries/{id}/reassign"));
    let reason = || json!({"reason": "flat tyre"});
    let version = dispatch.delivery_of(&order).await["version"].as_i64().unwrap();
    assert_eq!(ops.post(&path, reason()).await.told(), (428, "if_match_missing"));
    assert_eq!(ops.post_if(&path, version - 1, reason()).await.told(), (412, "stale_version"));
    let taken = ops.post_if(&path, version, reason()).await.ok();
    assert_eq!(
        (&taken["state"], &taken["attempt"], &taken["rider_id"]),
        (&json!("searching"), &json!(2), &json!(null))
    );
    assert_eq!(a.profile().await["active"], 0);

    // The old rider had it already, and their phone told late: somebody must hear of it.
    let earlier = (Utc::now() - TimeDelta::minutes(1)).to_rfc3339();
    let late = a.post(&format!("/v1/rider/deliveries/{id}/picked_up"), json!({"occurred_at": earlier})).await;
    assert_eq!(late.told(), (409, "reassigned"));
    assert_eq!(dispatch.alarms().await, ["picked_up_before_reassign"]);

    let offer = dispatch.offer(&b, &order).await;
    b.accept(&offer).await.ok();
    b.tap(&id, "picked_up").await.ok();
    let version = dispatch.delivery_of(&order).await["version"].as_i64().unwrap();
    let refused = ops.post_if(&path, version, reason()).await;
    assert_eq!((refused.told(), &refused.body["state"]), ((409, "illegal_transition"), &json!("picked_up")));
    b.deliver(&id, PIN).await.ok();
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_keeps_to_its_own() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider_offline(1).await;
    assert_eq!(rider.get("/v1/ops/deliveries").await.told(), (403, "wrong_role"));
    assert_eq!(dispatch.ops().get("/v1/rider/profile").await.told(), (403, "wrong_role"));
    assert_eq!(dispatch.ops().get("/v1/ops/riders").await.ok()["data"].as_array().unwrap().len(), 1);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_question_can_be_taken_back() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (order, id) = dispatch.accepted().await;
    let offer = dispatch.offer(&rider, &order).await;
    let version = dispatch.delivery_of(&order).await["version"].as_i64().unwrap();
    let path = format!("/v1/ops/deliveries/{id}/reassign");
    let taken = dispatch.ops().post_if(&path, version, json!({"reason": "a better one is near"})).await.ok();
    assert_eq!((&taken["state"], &taken["attempt"]), (&json!("searching"), &json!(2)));
    assert_eq!(rider.accept(&offer).await.told(), (409, "offer_revoked"));
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_it_was_decided_can_be_seen() {
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
