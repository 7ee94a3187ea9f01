//! Shifts that end without their rider: operations end them, or silence does.

use dispatch_svc::tasks::sweeper::sweep;
use serde_json::json;

use crate::dispatch::{Dispatch, PIN, north};
use crate::ops_actions::{assign, held};
use crate::rider::Rider;

/// What a rider has when their shift ends: food, a delivery to fetch, and an open offer.
struct Hands {
    food: String,
    to_fetch: String,
    offered: String,
    offer: serde_json::Value,
}

async fn full_hands(dispatch: &Dispatch, rider: &Rider) -> Hands {
    // The offer comes first: a rider with something to do is asked later.
    let (order, offered) = dispatch.accepted().await;
    let offer = dispatch.offer(rider, &order).await;
    let ((_, food), (_, to_fetch)) = (held(dispatch).await, held(dispatch).await);
    for id in [&food, &to_fetch] {
        assign(dispatch, id, rider).await.ok();
    }
    rider.report(&food, "picked_up").await.ok();
    Hands { food, to_fetch, offered, offer }
}

/// Checks what became of it, and that the rider learns of it when they come back.
async fn is_settled(dispatch: &Dispatch, rider: &Rider, hands: &Hands, alarm: &str) {
    assert_eq!(rider.profile().await["status"], "offline");
    let fetched = dispatch.delivery(&hands.to_fetch).await;
    assert_eq!(
        (&fetched["state"], &fetched["attempt"], &fetched["rider_id"]),
        (&json!("searching"), &json!(2), &json!(null))
    );
    assert_eq!(dispatch.delivery(&hands.offered).await["state"], "searching");
    let food = dispatch.delivery(&hands.food).await;
    assert_eq!((&food["state"], &food["rider_id"]), (&json!("picked_up"), &json!(rider.id)));
    assert_eq!(food["allowed_actions"], json!(["return", "settle"]));
    assert_eq!(dispatch.alarms().await, [alarm]);
    assert_eq!(rider.profile().await["active"], 1);
    sweep(&dispatch.pool).await.expect("it sweeps");
    assert_eq!(dispatch.alarms().await, [alarm], "a second sweep finds nothing new");

    rider.report(&hands.to_fetch, "at_pickup").await.problem(409, "reassigned");
    rider.accept(&hands.offer).await.problem(409, "offer_revoked");
    rider.post("/v1/rider/online", json!({"place": north(0.0)})).await.ok();
    assert!(dispatch.alarms().await.is_empty(), "the rider is back");
    assert_eq!(rider.deliver(&hands.food, PIN).await.ok()["state"], "delivered");
    assert_eq!(rider.profile().await["active"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_end_a_shift_and_others_get_what_is_not_picked_up() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(4, 0.0).await;
    let hands = full_hands(&dispatch, &rider).await;
    rider.post("/v1/rider/offline", json!({})).await.problem(409, "carrying");
    let path = format!("/v1/ops/riders/{}/off-duty", rider.id);
    let (ops, why) = (dispatch.ops(), json!({"reason": "seen without a helmet"}));
    ops.post(&path, why.clone()).await.problem(428, "if_match_missing");
    ops.post_if(&path, &json!(1), why).await.problem(412, "stale_version");
    assert_eq!(dispatch.rider_row(&rider).await["allowed_actions"], json!(["off-duty"]));
    let ended = dispatch.off_duty(&rider, "seen without a helmet").await.ok();
    assert_eq!((&ended["status"], &ended["allowed_actions"]), (&json!("offline"), &json!([])));
    let again = dispatch.off_duty(&rider, "twice").await.ok();
    assert_eq!(again["version"], ended["version"], "twice is harmless");
    let stuck = ops.get("/v1/ops/stuck").await.ok();
    assert!(stuck["data"].to_string().contains("seen without a helmet"), "operations read the reason: {stuck}");
    is_settled(&dispatch, &rider, &hands, "carrier_off_duty").await;
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_half_an_hour_of_silence_a_shift_ends_by_itself() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(4, 0.0).await;
    let hands = full_hands(&dispatch, &rider).await;
    dispatch.silence(&rider, 1_801).await;
    is_settled(&dispatch, &rider, &hands, "carrier_silent").await;
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_carrier_is_an_alarm_until_operations_settle_it() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 0.0).await;
    let (_, id) = dispatch.picked_up(&rider).await;
    dispatch.silence(&rider, 301).await;
    let mut alarms = dispatch.alarms().await;
    alarms.sort_unstable();
    assert_eq!(alarms, ["carrier_silent", "rider_silent"]);
    assert_eq!(rider.profile().await["status"], "available", "not yet");
    dispatch.silence(&rider, 1_801).await;
    assert_eq!(dispatch.alarms().await, ["carrier_silent"], "of the rider nothing is left to do");
    let lost = json!({"outcome": "lost", "reason": "rider_lost"});
    assert_eq!(dispatch.act(&id, "settle", lost).await.ok()["state"], "failed");
    assert!(dispatch.alarms().await.is_empty());
    assert_eq!((&rider.profile().await["active"], &rider.profile().await["status"]), (&json!(0), &json!("offline")));
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_rider_goes_off_duty_by_silence_and_one_who_is_heard_does_not() {
    let dispatch = Dispatch::start(json!({})).await;
    let (paused, heard) = (dispatch.rider(2, 0.0).await, dispatch.rider(2, 0.0).await);
    paused.post("/v1/rider/pause", json!({})).await.ok();
    dispatch.silence(&heard, 1_799).await;
    dispatch.silence(&paused, 1_801).await;
    assert_eq!(paused.profile().await["status"], "offline");
    assert_eq!(heard.profile().await["status"], "available");
    assert_eq!(dispatch.alarms().await, ["rider_silent"]);
    dispatch.end().await;
}
