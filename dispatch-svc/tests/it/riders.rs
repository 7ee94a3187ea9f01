//! Riders: profile, shift, positions, and silence.

use std::sync::atomic::{AtomicI64, Ordering};

use dispatch_svc::tasks::sweeper::sweep;
use pannier_testkit::eventually;
use serde_json::json;

use crate::dispatch::{Dispatch, north};

#[tokio::test(flavor = "multi_thread")]
async fn a_shift_begins_pauses_and_ends() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider_offline(2).await;
    assert_eq!(rider.profile().await["allowed_actions"], json!(["online"]));
    rider.post("/v1/rider/pause", json!({})).await.problem(409, "illegal_transition");
    let online = rider.post("/v1/rider/online", json!({"place": north(0.0)})).await.ok();
    assert_eq!((&online["status"], &online["version"]), (&json!("available"), &json!(2)));
    assert_eq!(rider.post("/v1/rider/online", json!({"place": north(9.0)})).await.ok()["version"], 2);
    rider.post("/v1/rider/pause", json!({})).await.ok();
    let (order, id) = dispatch.accepted().await;
    eventually("a round says that the only rider pauses", || async {
        let rounds = dispatch.ops().get(&format!("/v1/ops/deliveries/{id}/rounds")).await.ok();
        (rounds["data"][0]["candidates"][0]["gate"] == "not_available").then_some(())
    })
    .await;
    rider.post("/v1/rider/online", json!({"place": north(0.0)})).await.ok();
    dispatch.offer(&rider, &order).await;
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_checked() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider_offline(2).await;
    for (field, value) in
        [("name", json!("")), ("speed_mps", json!(0)), ("capacity", json!(0)), ("vehicle", json!(" "))]
    {
        let mut profile = json!({"name": "R", "vehicle": "bicycle", "speed_mps": 5.0});
        profile[field] = value;
        let refused = rider.put("/v1/rider/profile", None, profile).await.problem(422, "profile_invalid");
        assert_eq!(refused["errors"][0]["pointer"], format!("/{field}"));
    }
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_position_counts() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 0.0).await;
    let fix = |seq: i64, accuracy_m: f64| json!({"seq": seq, "place": north(10.0), "accuracy_m": accuracy_m});
    let path = "/v1/rider/locations";
    let first = rider.post(path, json!({"locations": [fix(2, 5.0), fix(1, 5.0), fix(3, 500.0)]})).await;
    assert_eq!((first.status, first.body), (202, json!({"accepted": 2, "ignored": 1})));
    // This process accepts an older position. Redis has the newest of all processes and ignores it.
    assert_eq!(rider.post(path, json!({"locations": [fix(2, 5.0)]})).await.ok(), json!({"accepted": 1, "ignored": 0}));
    // In a new session sequence numbers begin again.
    rider.post("/v1/rider/online", json!({"place": north(0.0)})).await.ok();
    assert_eq!(rider.post(path, json!({"locations": [fix(0, 5.0)]})).await.ok(), json!({"accepted": 1, "ignored": 0}));
    assert_eq!(rider.post(path, json!({"locations": []})).await.status, 400);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_rider_gets_no_offers_and_loses_deliveries_before_pickup() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 0.0).await;
    let (_, id) = dispatch.assigned(&rider).await;
    let silent_for = |s: u32| {
        format!(
            "UPDATE dispatch.riders SET last_seen_at = clock_timestamp() - interval '{s} s' WHERE id = '{}'",
            rider.rider_id().0
        )
    };
    dispatch.db.execute(&silent_for(61)).await;
    sweep(&dispatch.pool).await.expect("it sweeps");
    assert_eq!(rider.profile().await["stale"], true);
    assert_eq!(dispatch.delivery_is(&id, "assigned").await["attempt"], 1);

    dispatch.db.execute(&silent_for(301)).await;
    sweep(&dispatch.pool).await.expect("it sweeps");
    assert_eq!(dispatch.delivery_is(&id, "searching").await["attempt"], 2);
    assert_eq!(dispatch.alarms().await, ["rider_silent"]);
    rider.report(&id, "picked_up").await.problem(409, "reassigned");

    // A position ends the silence. PostgreSQL stores the time of the last one at most every ten seconds, so send
    // several.
    let seq = AtomicI64::new(1);
    eventually("the rider is no longer stale", || async {
        let fix = json!({"seq": seq.fetch_add(1, Ordering::Relaxed), "place": north(5.0)});
        rider.post("/v1/rider/locations", json!({"locations": [fix]})).await.ok();
        (rider.profile().await["stale"] == false).then_some(())
    })
    .await;
    assert!(dispatch.alarms().await.is_empty());
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_orders_are_delivered() {
    let dispatch = Dispatch::start_on(json!({}), "redis://127.0.0.1:1/".to_owned()).await;
    let rider = dispatch.rider(2, 300.0).await;
    let (_, id) = dispatch.assigned(&rider).await;
    rider.deliver(&id, crate::dispatch::PIN).await.ok();
    dispatch.end().await;
}
