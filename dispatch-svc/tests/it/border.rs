//! Two processes dispatch neighbouring zones, and both see the riders near the border.

use futures::future::join_all;
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_testkit::eventually;
use serde_json::{Value, json};

use crate::dispatch::{Dispatch, PIN, an_order, north};
use crate::rider::Rider;

/// How often both zones need a rider at the same time.
const ROUNDS: usize = 10;
/// The distance from the middle to the border, metres.
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

/// The open offer of a rider with capacity for one, if there is one.
async fn the_one_offer(rider: &Rider) -> Option<Value> {
    let offers = rider.offers().await;
    assert!(offers.len() <= 1, "capacity for one, offers of {}: {offers:?}", offers.len());
    offers.into_iter().next()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rider_between_two_zones_has_no_more_offers_than_capacity() {
    let mut dispatch = Dispatch::start(json!({})).await;
    dispatch.zone("north", 0.1, json!({})).await;
    dispatch.start_another().await;
    let shared = "SELECT count(DISTINCT holder) AS n FROM dispatch.leases
                  WHERE name LIKE 'zone:%' AND until > clock_timestamp()";
    eventually("each process dispatches one zone", || async { (dispatch.db.count(shared).await == 2).then_some(()) })
        .await;
    let rider = dispatch.rider(1, BORDER_M).await;
    for _ in 0..ROUNDS {
        let orders = [order_of("test"), order_of("north")];
        join_all(orders.iter().map(|order| dispatch.consume(order))).await;
        for _ in &orders {
            let offer = eventually("the rider has an offer", || the_one_offer(&rider)).await;
            let delivery = rider.accept(&offer).await.ok();
            assert_eq!(the_one_offer(&rider).await, None, "the rider is at capacity");
            let id = delivery["id"].as_str().expect("an id");
            rider.report(id, "picked_up").await.ok();
            rider.deliver(id, PIN).await.ok();
        }
    }
    let delivered = "SELECT count(*) AS n FROM dispatch.deliveries WHERE state = 'delivered'";
    assert_eq!(dispatch.db.count(delivered).await, 2 * i64::try_from(ROUNDS).expect("small"));
    for city in &dispatch.cities {
        eventually("the in-memory city agrees with the tables", || async {
            (city.differences_now().await.expect("it is read") == 0).then_some(())
        })
        .await;
    }
    assert_eq!(dispatch.alarms().await, Vec::<String>::new());
    dispatch.end().await;
}
