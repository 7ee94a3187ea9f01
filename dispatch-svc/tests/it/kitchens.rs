//! Kitchens that take longer than they state: plans use the estimated ready time, and the API shows the stated one.

use chrono::{DateTime, TimeDelta, Utc};
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_testkit::eventually;
use serde_json::{Value, json};

use crate::dispatch::{Dispatch, an_order, later};

/// Writes 25 past orders of a shop that were stated to take 15 minutes and took `late_min` longer. They are cancelled,
/// because those need no rider.
async fn cooked(dispatch: &Dispatch, shop: &OrderSnapshot, late_min: i64) {
    let takes = 15 + late_min;
    let (merchant, pickup) = (shop.merchant_id.0, serde_json::to_string(&shop.pickup).expect("JSON"));
    let sql = format!(
        "INSERT INTO dispatch.deliveries (id, order_id, merchant_id, merchant_name, zone_id, pickup, dropoff, ready_at,
             stated_ready_at, ready_seen_at, promise_at, pin_hash, state, version, opened_at,
             state_since, at_pickup_at, picked_up_at)
         SELECT gen_random_uuid(), gen_random_uuid(), '{merchant}', 'Shop', 'test', '{pickup}', '{pickup}',
             t + interval '15 min', t + interval '15 min', t + interval '{takes} min', t + interval '60 min', '',
             'cancelled', 1, t, t + interval '{takes} min', t + interval '{takes} min',
             t + interval '{takes} min'
         FROM generate_series(1, 25) n, LATERAL (SELECT clock_timestamp() - n * interval '40 min' AS t) x"
    );
    dispatch.db.execute(&sql).await;
}

/// The minutes from now on for which the first round of a new order holds it.
async fn held_for(dispatch: &Dispatch, order: &OrderSnapshot) -> i64 {
    dispatch.consume(order).await;
    let id = dispatch.delivery_of(order).await["id"].as_str().expect("an id").to_owned();
    let round: Value = eventually("it is held", || async {
        let rounds = dispatch.ops().get(&format!("/v1/ops/deliveries/{id}/rounds")).await.ok();
        rounds["data"].as_array().expect("a list").first().cloned()
    })
    .await;
    assert_eq!(round["reason"], "too_early", "{round}");
    let until: DateTime<Utc> = round["until_at"].as_str().expect("a hold has an end").parse().expect("a time");
    (until - Utc::now()).num_minutes()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_a_late_kitchen_is_held_longer_and_shows_the_stated_time() {
    for (late_min, expected) in [(0, 3..6), (10, 9..20)] {
        let dispatch = Dispatch::start(json!({})).await;
        let _rider = dispatch.rider(2, 100.0).await;
        let ready_at = Utc::now() + TimeDelta::minutes(20);
        let order = OrderSnapshot { ready_at: Some(ready_at), ..an_order(OrderState::Accepted) };
        cooked(&dispatch, &order, late_min).await;
        let minutes = held_for(&dispatch, &order).await;
        assert!(expected.contains(&minutes), "{late_min} late: {minutes}");
        let told: DateTime<Utc> =
            dispatch.delivery_of(&order).await["ready_at"].as_str().expect("a time").parse().expect("a time");
        assert!((told - ready_at).abs() < TimeDelta::seconds(1));
        dispatch.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_report_that_food_is_ready_is_kept() {
    let dispatch = Dispatch::start(json!({})).await;
    let (order, id) = dispatch.accepted().await;
    let of = |what: &str| {
        let uuid = id.parse::<pannier_contracts::DeliveryId>().expect("an id").0;
        format!("SELECT count(*) AS n FROM dispatch.deliveries WHERE id = '{uuid}' AND {what}")
    };
    assert_eq!(dispatch.db.count(&of("ready_seen_at IS NULL AND stated_ready_at = ready_at")).await, 1);
    let ready_at = order.ready_at.map(|at| at + TimeDelta::minutes(9));
    let delayed = OrderSnapshot { ready_at, ..later(&order, OrderState::Accepted) };
    dispatch.consume(&delayed).await;
    let slipped = "ready_seen_at IS NULL AND stated_ready_at = ready_at - interval '9 min'";
    assert_eq!(dispatch.db.count(&of(slipped)).await, 1);
    let ready = later(&delayed, OrderState::Ready);
    dispatch.consume(&ready).await;
    assert_eq!(dispatch.db.count(&of("ready_seen_at > opened_at AND ready_at <= ready_seen_at")).await, 1);
    dispatch.db.execute("UPDATE dispatch.deliveries SET ready_seen_at = opened_at").await;
    dispatch.consume(&later(&ready, OrderState::Ready)).await;
    assert_eq!(dispatch.db.count(&of("ready_seen_at = opened_at")).await, 1, "the first report counts");
    dispatch.end().await;
}
