//! Operations choose a rider: who could take a delivery, at what cost, and giving it to one of them.

use chrono::{TimeDelta, Utc};
use pannier_contracts::RiderId;
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_testkit::{Answer, eventually};
use serde_json::{Value, json};

use crate::dispatch::{Dispatch, PIN, an_order, later, north};
use crate::rider::Rider;

/// A delivery that dispatch knows and holds, because its food is ready in twelve minutes.
pub async fn held(dispatch: &Dispatch) -> (OrderSnapshot, String) {
    let ready_at = Some(Utc::now() + TimeDelta::minutes(12));
    let order = OrderSnapshot { ready_at, ..an_order(OrderState::Accepted) };
    dispatch.consume(&order).await;
    let id = dispatch.delivery_of(&order).await["id"].as_str().expect("an id").to_owned();
    (order, id)
}

pub async fn assign(dispatch: &Dispatch, id: &str, rider: &Rider) -> Answer {
    dispatch.act(id, "assign", json!({"rider_id": rider.id})).await
}

/// What an assignment would cost, or the gate it would be refused with.
async fn tried(dispatch: &Dispatch, id: &str, rider: &Rider) -> Value {
    dispatch.act(id, "assign?dry_run=true", json!({"rider_id": rider.id})).await.ok()
}

/// Waits until this process knows all these riders, and returns them as candidates, the best first.
async fn candidates(dispatch: &Dispatch, id: &str, riders: usize) -> Vec<Value> {
    let (ops, path) = (dispatch.ops(), format!("/v1/ops/deliveries/{id}/candidates"));
    eventually("all riders are candidates", || async {
        let listed = ops.get(&path).await.ok()["data"].as_array().cloned()?;
        (listed.len() == riders).then_some(listed)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_are_ranked_with_their_terms_and_gates() {
    for policy in ["horizon", "greedy"] {
        let dispatch = Dispatch::start(json!({"dispatch": policy, "hold_ms": 1_800_000})).await;
        let (far, near, full) =
            (dispatch.rider(2, 4_500.0).await, dispatch.rider(2, 200.0).await, dispatch.rider(1, 100.0).await);
        let (_, own) = held(&dispatch).await;
        candidates(&dispatch, &own, 3).await;
        assign(&dispatch, &own, &full).await.ok();
        let (_, id) = held(&dispatch).await;
        let listed = candidates(&dispatch, &id, 3).await;
        let shown: Vec<_> =
            listed.iter().map(|c| (c["rider_id"].as_str().expect("an id"), c["gate"].clone())).collect();
        assert_eq!(shown, [(&*near.id, json!(null)), (&*far.id, json!(null)), (&*full.id, json!("no_capacity"))]);
        let cost = |n: usize| listed[n]["cost"].as_i64().expect("a cost");
        let sum: i64 = listed[0]["terms"].as_object().expect("terms").values().filter_map(Value::as_i64).sum();
        assert!(cost(0) < cost(1) && cost(0) == sum, "{policy}: {listed:?}");

        let refused = dispatch.ops().get(&format!("/v1/ops/deliveries/{own}/candidates")).await;
        assert_eq!(refused.problem(409, "illegal_transition")["state"], "assigned");
        let nobody = format!("/v1/ops/deliveries/{}/candidates", pannier_contracts::DeliveryId::generate());
        dispatch.ops().get(&nobody).await.problem(404, "not_found");
        dispatch.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_is_tried_and_then_made() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 1_500.0).await;
    let mut stream = rider.stream().await;
    let (_, id) = held(&dispatch).await;
    candidates(&dispatch, &id, 1).await;
    let before = dispatch.delivery(&id).await;
    let would = tried(&dispatch, &id, &rider).await;
    assert_eq!((&would["gate"], would["cost"].is_i64()), (&json!(null), true), "{would}");
    assert_eq!(dispatch.delivery(&id).await["version"], before["version"], "nothing was done");

    let (ops, path) = (dispatch.ops(), format!("/v1/ops/deliveries/{id}/assign"));
    let body = json!({"rider_id": rider.id});
    ops.post(&path, body.clone()).await.problem(428, "if_match_missing");
    ops.post_if(&path, &json!(1), body.clone()).await.problem(412, "stale_version");
    let send = || {
        let (key, version) = (Some("the-operators-click"), Some(&before["version"]));
        ops.send(reqwest::Method::POST, &path, key, version, Some(body.clone()))
    };
    let given = send().await.ok();
    assert_eq!((&given["state"], &given["rider_id"]), (&json!("assigned"), &json!(rider.id)));
    assert!(send().await.replayed, "the same click again");
    assign(&dispatch, &id, &rider).await.problem(409, "illegal_transition");

    // As if the rider had accepted an offer.
    let history = dispatch.delivery(&id).await;
    let words = |list: &Value| list.as_array().expect("a list").iter().map(|e| e["state"].clone()).collect::<Vec<_>>();
    assert_eq!(words(&history["events"]), ["scheduled", "searching", "offered", "assigned"]);
    assert_eq!(words(&history["offers"]), ["accepted"]);
    assert_eq!(rider.profile().await["active"], 1);
    assert_eq!(dispatch.timers_of(&id).await, ["no_movement"]);
    let told = stream.until("the rider is told", |frame| frame.event == "delivery").await;
    assert_eq!((&told.data["id"], &told.data["state"]), (&json!(id), &json!("assigned")));
    let rounds = ops.get(&format!("/v1/ops/deliveries/{id}/rounds")).await.ok();
    let last = rounds["data"].as_array().expect("a list").last().cloned().expect("a round");
    assert!(
        last["outcome"] == "offer" && last["sentences"][0].as_str().is_some_and(|s| s.contains(&rider.id)),
        "{last}"
    );
    rider.report(&id, "picked_up").await.ok();
    rider.deliver(&id, PIN).await.ok();
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rider_behind_a_gate_is_refused_with_it() {
    let dispatch = Dispatch::start(json!({})).await;
    let (near, id) = (dispatch.rider(2, 100.0).await, held(&dispatch).await.1);
    let (off, far) = (dispatch.rider_offline(2).await, dispatch.rider(2, 8_000.0).await);
    let (paused, silent) = (dispatch.rider(2, 200.0).await, dispatch.rider(2, 300.0).await);
    let full = dispatch.rider(1, 400.0).await;
    candidates(&dispatch, &id, 4).await;
    paused.post("/v1/rider/pause", json!({})).await.ok();
    let (_, other) = held(&dispatch).await;
    assign(&dispatch, &other, &full).await.ok();
    dispatch.silence(&silent, 61).await;
    // Withdrawn from this rider: not given to them again by itself.
    assign(&dispatch, &id, &near).await.ok();
    dispatch.act(&id, "reassign", json!({"reason": "flat tyre"})).await.ok();

    for (rider, gate) in [
        (&off, "not_available"),
        (&paused, "not_available"),
        (&silent, "stale"),
        (&far, "too_far"),
        (&full, "no_capacity"),
        (&near, "excluded"),
    ] {
        let would = eventually(&format!("{gate} is seen"), || async {
            Some(tried(&dispatch, &id, rider).await).filter(|would| would["gate"] == gate)
        })
        .await;
        assert_eq!(would["rider_id"], rider.id.as_str());
        let refused = assign(&dispatch, &id, rider).await.problem(409, "rider_not_eligible");
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.ends_with(gate)), "{refused}");
        assert_eq!(refused["allowed_actions"], json!(["assign"]));
    }
    let nobody = json!({"rider_id": RiderId::generate()});
    dispatch.act(&id, "assign", nobody.clone()).await.problem(404, "not_found");
    dispatch.act(&id, "assign?dry_run=true", nobody).await.problem(404, "not_found");
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_revokes_the_offers_of_others() {
    let dispatch = Dispatch::start(json!({})).await;
    let (asked, given) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 2_000.0).await);
    let (order, id) = dispatch.accepted().await;
    let offer = dispatch.offer(&asked, &order).await;
    assert_eq!(dispatch.delivery(&id).await["allowed_actions"], json!(["assign", "reassign"]));
    let refused = assign(&dispatch, &id, &asked).await.problem(409, "rider_not_eligible");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.ends_with("already_offered")), "{refused}");
    assert_eq!(assign(&dispatch, &id, &given).await.ok()["rider_id"], given.id.as_str());
    asked.accept(&offer).await.problem(409, "offer_revoked");
    assert_eq!((&asked.profile().await["active"], &given.profile().await["active"]), (&json!(0), &json!(1)));
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_not_searched_for_yet_can_be_assigned() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let in_an_hour = Some(Utc::now() + TimeDelta::hours(1));
    let order = OrderSnapshot { ready_at: in_an_hour, ..an_order(OrderState::Accepted) };
    dispatch.consume(&order).await;
    let scheduled = dispatch.delivery_of(&order).await;
    assert_eq!((&scheduled["state"], &scheduled["allowed_actions"]), (&json!("scheduled"), &json!(["assign"])));
    let id = scheduled["id"].as_str().expect("an id");
    candidates(&dispatch, id, 1).await;
    assert_eq!(assign(&dispatch, id, &rider).await.ok()["state"], "assigned");
    // The rider can lose it again like any other.
    dispatch.consume(&later(&order, OrderState::Cancelled)).await;
    assert_eq!(rider.profile().await["active"], 0);
    rider.post("/v1/rider/online", json!({"place": north(50.0)})).await.ok();
    dispatch.end().await;
}
