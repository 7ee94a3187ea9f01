//! Two processes dispatch a zone each, and see the same riders between them.

use futures::future::join_all;
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_testkit::eventually;
use serde_json::{Value, json};

use crate::dispatch::{Caller, Dispatch, PIN, an_order, north};

/// How often both zones want a rider at the same moment.
const ROUNDS: usize = 10;
/// Metres from the middle to where one zone ends and the other begins.
const BORDER_M: f64 = 11_119.0;

/// An accepted order close to the border.
fn order_of(zone: &str) -> OrderSnapshot {
    let side = if zone == "test" { -1.0 } else { 1.0 };
    OrderSnapshot {
        zone_id: zone.parse().expect("a zone id"),
        pickup: north(BORDER_M + side * 200.0),
        dropoff: north(BORDER_M + side * 900.0),
        ..an_order(OrderState::Accepted)
    }
}

/// What a rider is asked, once they are asked something: never more than they have room for, which is one.
async fn the_one_offer(rider: &Caller) -> Option<Value> {
    let offers = rider.get("/v1/rider/offers").await.ok();
    let offers = offers["data"].as_array().expect("a list").clone();
    assert!(offers.len() <= 1, "room for one, asked for {}: {offers:?}", offers.len());
    offers.into_iter().next()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rider_between_two_zones_is_asked_for_no_more_than_they_can_take() {
    let mut dispatch = Dispatch::start(json!({})).await;
    dispatch.zone("north", 0.1, json!({})).await;
    dispatch.join_in().await;
    let shared = "SELECT count(DISTINCT holder) AS n FROM dispatch.leases
                  WHERE name LIKE 'zone:%' AND until > clock_timestamp()";
    eventually("each dispatches one of them", || async { (dispatch.db.count(shared).await == 2).then_some(()) }).await;
    let rider = dispatch.rider(1, BORDER_M).await;
    for _ in 0..ROUNDS {
        let orders = [order_of("test"), order_of("north")];
        join_all(orders.iter().map(|order| dispatch.tell(order))).await;
        for _ in &orders {
            let offer = eventually("they are asked for one", || the_one_offer(&rider)).await;
            let delivery = rider.accept(&offer).await.ok();
            assert_eq!(the_one_offer(&rider).await, None, "they have what they can carry");
            let id = delivery["id"].as_str().expect("an id");
            rider.tap(id, "picked_up").await.ok();
            rider.deliver(id, PIN).await.ok();
        }
    }
    let delivered = "SELECT count(*) AS n FROM dispatch.deliveries WHERE state = 'delivered'";
    assert_eq!(dispatch.db.count(delivered).await, 2 * i64::try_from(ROUNDS).expect("small"));
    for city in &dispatch.cities {
        eventually("what is in memory is what the tables say", || async {
            (city.differences_now().await.expect("it is read") == 0).then_some(())
        })
        .await;
    }
    assert_eq!(dispatch.alarms().await, Vec::<String>::new());
    dispatch.end().await;
}
