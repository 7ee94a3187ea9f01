//! Something goes wrong in the middle: the next plan repairs it, and the round says so.

use chrono::{DateTime, TimeDelta, Utc};
use dispatch_svc::tasks::sweeper::sweep;
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_testkit::eventually;
use serde_json::{Value, json};

use crate::dispatch::{Caller, Dispatch, an_order, later};

/// From the oldest to the newest.
async fn rounds(dispatch: &Dispatch, id: &str) -> Vec<Value> {
    let rounds = dispatch.ops().get(&format!("/v1/ops/deliveries/{id}/rounds?limit=100")).await.ok();
    rounds["data"].as_array().expect("a list").clone()
}

/// The newest round, once it is like this.
async fn round(dispatch: &Dispatch, id: &str, why: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(why, || async { rounds(dispatch, id).await.pop().filter(&is_so) }).await
}

fn gate<'r>(round: &'r Value, rider: &Caller) -> Option<&'r Value> {
    let candidates = round["candidates"].as_array().expect("a list");
    candidates.iter().find(|c| c["rider_id"] == rider.id.as_str()).map(|c| &c["gate"])
}

fn until(round: &Value) -> DateTime<Utc> {
    round["until_at"].as_str().expect("a hold has an end").parse().expect("a time")
}

/// An order that is ready in so many minutes, its delivery, and the round that first holds it.
async fn held(dispatch: &Dispatch, minutes: i64) -> (OrderSnapshot, String, Value) {
    let ready_at = Some(Utc::now() + TimeDelta::minutes(minutes));
    let order = OrderSnapshot { ready_at, ..an_order(OrderState::Accepted) };
    dispatch.tell(&order).await;
    let id = dispatch.delivery_of(&order).await["id"].as_str().expect("an id").to_owned();
    let first = round(dispatch, &id, "it is held", |r| r["outcome"] == "hold").await;
    (order, id, first)
}

/// The kitchen says that it needs so many minutes more.
async fn slips(dispatch: &Dispatch, order: &OrderSnapshot, minutes: i64) {
    let ready_at = order.ready_at.map(|at| at + TimeDelta::minutes(minutes));
    dispatch.tell(&OrderSnapshot { ready_at, ..later(order, OrderState::Accepted) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_the_next_plan_asks_somebody_else() {
    let dispatch = Dispatch::start(json!({})).await;
    let (near, far) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 2_000.0).await);
    let (order, id) = dispatch.accepted().await;
    let offer = dispatch.offer(&near, &order).await;
    let path = format!("/v1/rider/offers/{}/decline", offer["id"].as_str().expect("an id"));
    near.post(&path, json!({"reason": "flat tyre"})).await.ok();
    dispatch.offer(&far, &order).await;
    let rounds = rounds(&dispatch, &id).await;
    let outcomes: Vec<_> = rounds.iter().map(|r| r["outcome"].as_str().expect("a word")).collect();
    assert_eq!(outcomes, ["offer", "offer"], "nothing in between");
    assert_eq!(gate(&rounds[0], &near), Some(&Value::Null));
    assert_eq!(gate(&rounds[1], &near), Some(&json!("excluded")));
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_riders_are_planned_for_no_more() {
    let dispatch = Dispatch::start(json!({})).await;
    let (near, far) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 2_000.0).await);
    let (_, held, first) = held(&dispatch, 12).await;
    assert_eq!(
        (first["candidates"][0]["rider_id"].as_str(), gate(&first, &far)),
        (Some(&*near.id), Some(&Value::Null))
    );
    let (_, assigned) = dispatch.assigned(&near).await;

    let silent_for = |s: u32| {
        let id = near.rider().0;
        format!("UPDATE dispatch.riders SET last_seen_at = clock_timestamp() - interval '{s} s' WHERE id = '{id}'")
    };
    dispatch.db.execute(&silent_for(61)).await;
    sweep(&dispatch.pool).await.expect("it sweeps");
    // Its own process wakes the dispatcher at once; the test's pool is another one, so here it looks by itself.
    let again = round(&dispatch, &held, "it is planned anew", |r| gate(r, &near) == Some(&json!("stale"))).await;
    assert_eq!(
        (again["outcome"].as_str(), again["candidates"][0]["rider_id"].as_str()),
        (Some("hold"), Some(&*far.id))
    );

    dispatch.db.execute(&silent_for(301)).await;
    sweep(&dispatch.pool).await.expect("it sweeps");
    let again =
        round(&dispatch, &assigned, "it goes to the other one", |r| gate(r, &near) == Some(&json!("stale"))).await;
    assert_eq!((again["outcome"].as_str(), gate(&again, &far)), (Some("offer"), Some(&Value::Null)));
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kitchen_that_slips_is_waited_for() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 100.0).await;
    let (order, id, first) = held(&dispatch, 12).await;
    slips(&dispatch, &order, 15).await;
    let second =
        round(&dispatch, &id, "it is held for longer", |r| r["outcome"] == "hold" && until(r) > until(&first)).await;
    let longer = (until(&second) - until(&first)).num_seconds();
    assert!((14 * 60..=16 * 60).contains(&longer), "{longer} s longer: {second}");
    assert_eq!(rounds(&dispatch, &id).await.len(), 2, "the next plan said so");
    assert_eq!(rider.get("/v1/rider/offers").await.ok()["data"], json!([]));
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_slow_kitchen_keeps_it_and_others_get_the_rest() {
    for zone in ["test", "next-door"] {
        let dispatch = Dispatch::start(json!({})).await;
        let (near, far) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 1_500.0).await);
        let (order, id) = dispatch.assigned(&near).await;
        slips(&dispatch, &order, 15).await;
        let kept = dispatch.delivery_is(&id, "assigned").await;
        assert_eq!((kept["rider_id"].as_str(), kept["attempt"].as_i64()), (Some(&*near.id), Some(1)));

        // Another shop next to it, also of another zone: the near rider will be busy for a quarter of an hour.
        let next = OrderSnapshot { zone_id: zone.parse().expect("a zone"), ..an_order(OrderState::Accepted) };
        dispatch.tell(&next).await;
        dispatch.offer(&far, &next).await;
        let other = dispatch.delivery_of(&next).await["id"].as_str().expect("an id").to_owned();
        let told = rounds(&dispatch, &other).await.pop().expect("a round");
        let cost = |rider: &Caller| {
            let candidates = told["candidates"].as_array().expect("a list");
            let of = candidates.iter().find(|c| c["rider_id"] == rider.id.as_str()).expect("listed");
            (of["gate"].clone(), of["cost"].as_i64().expect("priced"))
        };
        let ((gate, later), (_, sooner)) = (cost(&near), cost(&far));
        assert_eq!(gate, Value::Null, "they may, and it costs more");
        assert!(later > sooner + 5 * 60_000, "{zone}: {later} {sooner}");
        assert_eq!(dispatch.delivery_is(&id, "assigned").await["rider_id"], near.id.as_str());
        dispatch.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_together_is_asked_of_one_rider() {
    let dispatch = Dispatch::start(json!({})).await;
    let (near, _far) = (dispatch.rider(2, 100.0).await, dispatch.rider(2, 4_000.0).await);
    let first = an_order(OrderState::Accepted);
    let second = OrderSnapshot { merchant_id: first.merchant_id, ..an_order(OrderState::Accepted) };
    dispatch.tell(&first).await;
    dispatch.tell(&second).await;
    let (one, other) = (dispatch.offer(&near, &first).await, dispatch.offer(&near, &second).await);
    near.accept(&one).await.ok();
    near.accept(&other).await.ok();
    assert_eq!(near.profile().await["active"], 2);
    dispatch.end().await;
}
