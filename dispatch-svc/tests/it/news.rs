//! What orders do to their deliveries.

use chrono::{TimeDelta, Utc};
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_platform::consumer::Processed;
use serde_json::json;

use crate::dispatch::{Dispatch, PIN, an_order, later};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_ended_first_is_never_carried() {
    let dispatch = Dispatch::start(json!({})).await;
    let order = an_order(OrderState::Accepted);
    let cancelled = later(&order, OrderState::Cancelled);
    assert_eq!(dispatch.tell(&cancelled).await, Processed::Applied);
    assert_eq!(dispatch.tell(&order).await, Processed::Obsolete);
    assert!(dispatch.delivery_of(&order).await.is_null());
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_before_pickup_frees_the_rider_and_tells_them() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (order, id) = dispatch.assigned(&rider).await;
    rider.tap(&id, "at_pickup").await.ok();
    let cancelled = OrderSnapshot { reason: Some("sold_out".to_owned()), ..later(&order, OrderState::Cancelled) };
    dispatch.tell(&cancelled).await;
    assert_eq!(dispatch.delivery_of(&order).await["reason"], "sold_out");
    let late = rider.tap(&id, "picked_up").await;
    assert_eq!(late.told(), (409, "order_cancelled"));
    assert_eq!(late.body["state"], "cancelled");
    assert_eq!(rider.profile().await["active"], 0);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_while_offered_takes_the_offer_back() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (order, _) = dispatch.accepted().await;
    let offer = dispatch.offer(&rider, &order).await;
    dispatch.tell(&later(&order, OrderState::Cancelled)).await;
    assert_eq!(rider.accept(&offer).await.told(), (409, "offer_revoked"));
    assert_eq!(dispatch.delivery_of(&order).await["state"], "cancelled");
    assert_eq!(dispatch.db.count("SELECT count(*) AS n FROM dispatch.timers").await, 0);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_after_pickup_is_brought_back() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (order, id) = dispatch.assigned(&rider).await;
    rider.tap(&id, "picked_up").await.ok();
    dispatch.tell(&later(&order, OrderState::Cancelled)).await;
    assert_eq!(rider.deliver(&id, PIN).await.told(), (409, "illegal_transition"));
    assert_eq!(rider.post("/v1/rider/offline", json!({})).await.told(), (409, "carrying"));
    assert_eq!(rider.tap(&id, "returned").await.ok()["state"], "returned");
    assert_eq!(rider.post("/v1/rider/offline", json!({})).await.ok()["status"], "offline");
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_after_delivery_is_an_incident() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (order, id) = dispatch.assigned(&rider).await;
    rider.deliver(&id, PIN).await.ok();
    dispatch.tell(&later(&order, OrderState::Cancelled)).await;
    assert_eq!(dispatch.delivery_of(&order).await["state"], "delivered");
    assert_eq!(dispatch.alarms().await, ["delivered_after_cancel"]);
    assert_eq!(dispatch.db.count("SELECT count(*) AS n FROM dispatch.late_events").await, 1);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_held_until_it_is_time_and_follows_the_kitchen() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let far = Utc::now() + TimeDelta::hours(1);
    let order = OrderSnapshot { ready_at: Some(far), ..an_order(OrderState::Accepted) };
    dispatch.tell(&order).await;
    let delivery = dispatch.delivery_of(&order).await;
    assert_eq!(delivery["state"], "scheduled");
    assert_eq!(rider.get("/v1/rider/offers").await.ok()["data"], json!([]));
    // Done early: what stands at the counter is ready, whatever was planned.
    dispatch.tell(&later(&order, OrderState::Ready)).await;
    dispatch.offer(&rider, &order).await;
    dispatch.end().await;
}
