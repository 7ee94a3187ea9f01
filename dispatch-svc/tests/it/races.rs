//! Two sides decide about the same delivery at the same time: one commits first, and the other is told.

use std::collections::BTreeMap;

use futures::future::{BoxFuture, FutureExt as _};
use pannier_contracts::order::OrderState;
use pannier_testkit::Answer;
use serde_json::{Value, json};

use crate::dispatch::{Dispatch, PIN, later};
use crate::ops_actions::{assign, held};
use crate::rider::Rider;

/// How often each race is run.
const TRIALS: usize = 30;

/// Runs both calls: in the first two trials one after the other, in either order, from then on at the same time.
async fn race(n: usize, a: BoxFuture<'_, Answer>, b: BoxFuture<'_, Answer>) -> (Answer, Answer) {
    match n {
        0 => {
            let a = a.await;
            (a, b.await)
        }
        1 => {
            let b = b.await;
            (a.await, b)
        }
        _ => tokio::join!(a, b),
    }
}

fn say(answer: &Answer) -> String {
    if answer.status < 300 { answer.status.to_string() } else { format!("{} {}", answer.status, answer.code()) }
}

/// Counts outcomes.
#[derive(Default)]
struct Seen(BTreeMap<String, usize>);

impl Seen {
    fn count(&mut self, outcome: String) {
        *self.0.entry(outcome).or_default() += 1;
    }

    /// Checks that every outcome is one of these, and that each of these occurred.
    fn are(&self, expected: &[&str]) {
        println!("{:?}", self.0);
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(self.0.keys().map(String::as_str).collect::<Vec<_>>(), expected, "{:?}", self.0);
    }
}

/// A delivery whose food this rider has. They are not asked: that would take most of a trial.
async fn on_the_road(dispatch: &Dispatch, rider: &Rider) -> (String, Value) {
    let (_, id) = held(dispatch).await;
    let delivery = assign(dispatch, &id, rider).await;
    assert_eq!(delivery.status, 200, "{}", delivery.body);
    (id.clone(), rider.report(&id, "picked_up").await.ok()["version"].clone())
}

async fn state(dispatch: &Dispatch, id: &str) -> String {
    dispatch.delivery(id).await["state"].as_str().expect("a state").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_meets_a_return() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 0.0).await;
    let ops = dispatch.ops();
    let mut seen = Seen::default();
    for n in 0..TRIALS {
        let (id, version) = on_the_road(&dispatch, &rider).await;
        let path = format!("/v1/ops/deliveries/{id}/return");
        let (delivered, returned) = race(
            n,
            rider.deliver(&id, PIN).boxed(),
            ops.post_if(&path, &version, json!({"reason": "refunded"})).boxed(),
        )
        .await;
        let uuid = id.parse::<pannier_contracts::DeliveryId>().expect("an id").0;
        let alarm = format!(
            "SELECT count(*) AS n FROM dispatch.alarms WHERE aggregate_id = '{uuid}' AND kind = 'delivered_while_returning'"
        );
        let alarms = dispatch.db.count(&alarm).await;
        let state = state(&dispatch, &id).await;
        seen.count(format!("deliver {}, return {}: {state}, {alarms} alarms", say(&delivered), say(&returned)));
    }
    seen.are(&[
        "deliver 200, return 412 stale_version: delivered, 0 alarms",
        "deliver 200, return 200: delivered, 1 alarms",
    ]);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn food_that_is_back_meets_a_settlement() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 0.0).await;
    let ops = dispatch.ops();
    let mut seen = Seen::default();
    for n in 0..TRIALS {
        let (id, _) = on_the_road(&dispatch, &rider).await;
        let version = rider.fail(&id, "rider_unable").await.ok()["version"].clone();
        let path = format!("/v1/ops/deliveries/{id}/settle");
        let lost = json!({"outcome": "lost", "reason": "food_lost"});
        let (returned, settled) =
            race(n, rider.report(&id, "returned").boxed(), ops.post_if(&path, &version, lost).boxed()).await;
        let state = state(&dispatch, &id).await;
        seen.count(format!("returned {}, settle {}: {state}", say(&returned), say(&settled)));
    }
    seen.are(&[
        "returned 200, settle 412 stale_version: returned",
        "returned 409 illegal_transition, settle 200: failed",
    ]);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acceptance_meets_an_assignment() {
    let dispatch = Dispatch::start(json!({})).await;
    let (asked, given) = (dispatch.rider(2, 0.0).await, dispatch.rider(2, 2_000.0).await);
    let ops = dispatch.ops();
    let mut seen = Seen::default();
    for n in 0..TRIALS {
        let (order, id) = dispatch.accepted().await;
        let offer = dispatch.offer(&asked, &order).await;
        let version = dispatch.delivery(&id).await["version"].clone();
        let path = format!("/v1/ops/deliveries/{id}/assign");
        let (accepted, assigned) =
            race(n, asked.accept(&offer).boxed(), ops.post_if(&path, &version, json!({"rider_id": given.id})).boxed())
                .await;
        let carrier = dispatch.delivery(&id).await["rider_id"].clone();
        let carrier = if carrier == asked.id.as_str() { "asked" } else { "given" };
        seen.count(format!("accept {}, assign {}: {carrier}", say(&accepted), say(&assigned)));
        dispatch.consume(&later(&order, OrderState::Cancelled)).await;
    }
    seen.are(&["accept 200, assign 412 stale_version: asked", "accept 409 offer_revoked, assign 200: given"]);
    dispatch.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_who_assign_one_is_told() {
    let dispatch = Dispatch::start(json!({})).await;
    let (a, b) = (dispatch.rider(2, 0.0).await, dispatch.rider(2, 100.0).await);
    let ops = dispatch.ops();
    let mut seen = Seen::default();
    for n in 0..TRIALS {
        let (order, id) = held(&dispatch).await;
        let version = dispatch.delivery(&id).await["version"].clone();
        let path = format!("/v1/ops/deliveries/{id}/assign");
        let to = |rider: &Rider| ops.post_if(&path, &version, json!({"rider_id": rider.id})).boxed();
        let (to_a, to_b) = (ops.post_if(&path, &version, json!({"rider_id": a.id})).boxed(), to(&b));
        let (to_a, to_b) = race(n, to_a, to_b).await;
        seen.count(format!("{}, {}", say(&to_a), say(&to_b)));
        dispatch.consume(&later(&order, OrderState::Cancelled)).await;
    }
    seen.are(&["200, 412 stale_version", "412 stale_version, 200"]);
    dispatch.end().await;
}

/// Operations decide on the version of the rider that they saw, and an acceptance changes it.
#[tokio::test(flavor = "multi_thread")]
async fn an_acceptance_meets_the_end_of_a_shift() {
    let dispatch = Dispatch::start(json!({})).await;
    let rider = dispatch.rider(2, 0.0).await;
    let ops = dispatch.ops();
    let path = format!("/v1/ops/riders/{}/off-duty", rider.id);
    let mut seen = Seen::default();
    for n in 0..TRIALS {
        let (order, id) = dispatch.accepted().await;
        let offer = dispatch.offer(&rider, &order).await;
        let version = dispatch.rider_row(&rider).await["version"].clone();
        let (accepted, ended) =
            race(n, rider.accept(&offer).boxed(), ops.post_if(&path, &version, json!({"reason": "test"})).boxed())
                .await;
        let (status, state) = (rider.profile().await["status"].clone(), state(&dispatch, &id).await);
        seen.count(format!("accept {}, off duty {}: {status} {state}", say(&accepted), say(&ended)));
        dispatch.consume(&later(&order, OrderState::Cancelled)).await;
        rider.post("/v1/rider/online", json!({"place": crate::dispatch::north(0.0)})).await.ok();
    }
    seen.are(&[
        "accept 200, off duty 412 stale_version: \"available\" assigned",
        "accept 409 offer_revoked, off duty 200: \"offline\" searching",
    ]);
    dispatch.end().await;
}
