//! Decisions explained in sentences. Operations read about all candidates, a rider only about themselves.

use chrono::{TimeDelta, Utc};
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_testkit::eventually;
use serde_json::{Value, json};

use crate::dispatch::{Dispatch, an_order};

/// The sentences of the newest round of an order's delivery, once there is one.
async fn sentences(dispatch: &Dispatch, order: &OrderSnapshot) -> Vec<String> {
    let id = dispatch.delivery_of(order).await["id"].as_str().expect("an id").to_owned();
    let round: Value = eventually("there is a round", || async {
        let rounds = dispatch.ops().get(&format!("/v1/ops/deliveries/{id}/rounds?limit=100")).await.ok();
        rounds["data"].as_array().expect("a list").last().cloned()
    })
    .await;
    let told = round["sentences"].as_array().expect("a list");
    told.iter().map(|sentence| sentence.as_str().expect("text").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_read_about_all_riders_and_a_rider_only_about_themselves() {
    let dispatch = Dispatch::start(json!({})).await;
    let (near, far) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 2_000.0).await);
    let mut stream = near.stream().await;
    let (order, _) = dispatch.accepted().await;
    let offer = dispatch.offer(&near, &order).await;
    let why = offer["why"].as_str().expect("a sentence").to_owned();
    assert!(why.starts_with("You are asked because ") && !why.contains("rdr_"), "{why}");

    let record = stream.until("the offer is sent", |frame| frame.data["state"] == "sent").await;
    assert_eq!(record.data["why"], why);
    assert!(!record.data.to_string().contains(&far.id), "{record:?}");

    let told = sentences(&dispatch, &order).await;
    assert!(told[0].starts_with(&format!("{} is asked, at a cost of ", near.id)), "{told:?}");
    assert!(told[1].contains(&far.id), "{told:?}");

    assert_eq!(near.decline(&offer, json!({})).await.ok()["why"], why, "the reason does not change");
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_says_what_it_waits_for() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let ready_at = Some(Utc::now() + TimeDelta::minutes(25));
    let order = OrderSnapshot { ready_at, ..an_order(OrderState::Accepted) };
    dispatch.consume(&order).await;
    let told = sentences(&dispatch, &order).await;
    assert!(told[0].starts_with("It is too early to look for a rider. The next look is in "), "{told:?}");
    assert_eq!(rider.get("/v1/rider/offers").await.ok()["data"], json!([]));
    dispatch.end().await;
}
