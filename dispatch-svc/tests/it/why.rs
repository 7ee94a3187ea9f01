//! Why it was decided like this, in sentences: everything for operations, and for a rider only what is theirs.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_testkit::eventually;
use serde_json::{Value, json};

use crate::dispatch::{Dispatch, an_order};

/// The sentences of the newest round of an order's delivery, once there is one.
async fn sentences(dispatch: &Dispatch, order: &OrderSnapshot) -> Vec<String> {
    let id = dispatch.delivery_of(order).await["id"].as_str().expect("an id").to_owned();
    let round: Value = eventually("somebody looked at it", || async {
        let rounds = dispatch.ops().get(&format!("/v1/ops/deliveries/{id}/rounds?limit=100")).await.ok();
        rounds["data"].as_array().expect("a list").last().cloned()
    })
    .await;
    let told = round["sentences"].as_array().expect("a list");
    told.iter().map(|sentence| sentence.as_str().expect("text").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_hear_of_everybody_and_a_rider_only_of_themselves() {
    let dispatch = Dispatch::start(json!({})).await;
    let (near, far) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 2_000.0).await);
    let mut stream = near.stream().await;
    let (order, _) = dispatch.accepted().await;
    let offer = dispatch.offer(&near, &order).await;
    let why = offer["why"].as_str().expect("a sentence").to_owned();
    assert!(why.starts_with("You are asked because ") && !why.contains("rdr_"), "{why}");

    let mut heard = String::new();
    while !heard.contains("\"sent\"") || !heard.ends_with('\n') {
        let chunk = tokio::time::timeout(Duration::from_secs(20), stream.chunk()).await.expect("it is told");
        heard.push_str(&String::from_utf8_lossy(&chunk.expect("it goes on").expect("it goes on")));
    }
    assert!(heard.contains(&why) && !heard.contains(&far.id), "{heard}");

    let told = sentences(&dispatch, &order).await;
    assert!(told[0].starts_with(&format!("{} is asked, at a cost of ", near.id)), "{told:?}");
    assert!(told[1].contains(&far.id), "{told:?}");

    let path = format!("/v1/rider/offers/{}/decline", offer["id"].as_str().expect("an id"));
    assert_eq!(near.post(&path, json!({})).await.ok()["why"], why, "it was asked for the same reason");
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_says_what_is_waited_for() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let ready_at = Some(Utc::now() + TimeDelta::minutes(25));
    let order = OrderSnapshot { ready_at, ..an_order(OrderState::Accepted) };
    dispatch.tell(&order).await;
    let told = sentences(&dispatch, &order).await;
    assert!(told[0].starts_with("It is too early to look for a rider. The next look is in "), "{told:?}");
    assert_eq!(rider.get("/v1/rider/offers").await.ok()["data"], json!([]));
    dispatch.end().await;
}
