//! Effects of events of orders on their deliveries.

use chrono::{TimeDelta, Utc};
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_platform::consumer::Processed;
use serde_json::json;

use crate::dispatch::{Dispatch, PIN, an_order, later};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_ended_first_gets_no_delivery() {
    let dispatch = Dispatch::start(json!({})).await;
    let order = an_order(OrderState::Accepted);
    let cancelled = later(&order, OrderState::Cancelled);
    assert_eq!(dispatch.consume(&cancelled).await, Processed::Applied);
    assert_eq!(dispatch.consume(&order).await, Processed::Obsolete);
    assert!(dispatch.delivery_of(&order).await.is_null());
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_before_pickup_frees_the_rider() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (order, id) = dispatch.assigned(&rider).await;
    rider.report(&id, "at_pickup").await.ok();
    let cancelled = OrderSnapshot { reason: Some("sold_out".to_owned()), ..later(&order, OrderState::Cancelled) };
    dispatch.consume(&cancelled).await;
    assert_eq!(dispatch.delivery_of(&order).await["reason"], "sold_out");
    let refused = rider.report(&id, "picked_up").await.problem(409, "order_cancelled");
    assert_eq!(refused["state"], "cancelled");
    assert_eq!(rider.profile().await["active"], 0);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_revokes_an_open_offer() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (order, _) = dispatch.accepted().await;
    let offer = dispatch.offer(&rider, &order).await;
    dispatch.consume(&later(&order, OrderState::Cancelled)).await;
    rider.accept(&offer).await.problem(409, "offer_revoked");
    assert_eq!(dispatch.delivery_of(&order).await["state"], "cancelled");
    assert_eq!(dispatch.db.count("SELECT count(*) AS n FROM dispatch.timers").await, 0);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_cancellation_after_pickup_the_food_is_returned() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (order, id) = dispatch.assigned(&rider).await;
    rider.report(&id, "picked_up").await.ok();
    dispatch.consume(&later(&order, OrderState::Cancelled)).await;
    let refused = rider.report(&id, "at_dropoff").await.problem(409, "illegal_transition");
    assert_eq!((&refused["state"], &refused["allowed_actions"]), (&json!("returning"), &json!(["returned"])));
    rider.post("/v1/rider/offline", json!({})).await.problem(409, "carrying");
    assert_eq!(rider.report(&id, "returned").await.ok()["state"], "returned");
    assert_eq!(rider.post("/v1/rider/offline", json!({})).await.ok()["status"], "offline");
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_after_delivery_raises_an_alarm() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (order, id) = dispatch.assigned(&rider).await;
    rider.deliver(&id, PIN).await.ok();
    dispatch.consume(&later(&order, OrderState::Cancelled)).await;
    assert_eq!(dispatch.delivery_of(&order).await["state"], "delivered");
    assert_eq!(dispatch.alarms().await, ["delivered_after_cancel"]);
    assert_eq!(dispatch.db.count("SELECT count(*) AS n FROM dispatch.late_events").await, 1);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_scheduled_until_the_kitchen_is_ready() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let in_an_hour = Utc::now() + TimeDelta::hours(1);
    let order = OrderSnapshot { ready_at: Some(in_an_hour), ..an_order(OrderState::Accepted) };
    dispatch.consume(&order).await;
    let delivery = dispatch.delivery_of(&order).await;
    assert_eq!(delivery["state"], "scheduled");
    assert_eq!(rider.get("/v1/rider/offers").await.ok()["data"], json!([]));
    // Ready earlier than stated: the search begins at once.
    dispatch.consume(&later(&order, OrderState::Ready)).await;
    dispatch.offer(&rider, &order).await;
    dispatch.end().await;
}
