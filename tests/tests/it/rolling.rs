//! Every process is restarted, one after the other, while orders go from tap to door. No request fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pannier_devenv::servers::server::Server;
use pannier_tests::city::text;
use pannier_tests::{Balanced, Caller, TestCity};
use serde_json::{Value, json};

use crate::tools::tool;

/// Shops with a customer and a rider each, who send orders one after the other.
const LINES: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_fails_no_request() {
    let Some(haproxy) = tool(Server::HaProxy).await else { return };
    let mut balanced = Balanced::start(&haproxy).await;
    let (orders, goes_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
    let members = balanced.members();
    let lines: Vec<_> = (0..LINES)
        .map(|_| {
            let (city, orders, goes_on) = (Arc::clone(&balanced.city), Arc::clone(&orders), Arc::clone(&goes_on));
            tokio::spawn(async move {
                let (shop, customer, rider) = (city.shop().await, city.customer(), city.rider().await);
                let mut placed = Vec::new();
                while goes_on.load(Ordering::Relaxed) {
                    placed.push(tap_to_door(&city, &shop, &customer, &rider).await);
                    orders.fetch_add(1, Ordering::Relaxed);
                }
                placed
            })
        })
        .collect();
    for name in &members {
        let before = orders.load(Ordering::Relaxed);
        balanced.restart(name).await;
        // At least one whole order between two restarts: the work goes on.
        pannier_testkit::eventually("an order is delivered", || async {
            (orders.load(Ordering::Relaxed) > before).then_some(())
        })
        .await;
    }
    goes_on.store(false, Ordering::Relaxed);
    let mut delivered = 0;
    for line in lines {
        // Every call of a line asserts that it was answered with 2xx: a failed one is a panic here.
        delivered += line.await.expect("no request failed").len();
    }
    let stored = "SELECT count(*) AS n FROM orders.orders WHERE state = 'delivered'";
    assert_eq!(balanced.city.db.count(stored).await, i64::try_from(delivered).expect("few"), "each exists once");
    let (answers, failed) = balanced.answers().await;
    eprintln!("{} restarts, {delivered} orders from tap to door, {failed} of {answers} requests failed", members.len());
    assert_eq!(failed, 0, "of {answers}");
    assert!(answers > 100, "the load was worth the name: {answers}");
    balanced.end().await;
}

/// One order, watched by its customer. Returns its id.
async fn tap_to_door(city: &TestCity, shop: &Caller, customer: &Caller, rider: &Caller) -> String {
    let order = city.placed(customer, shop).await;
    let id = text(&order["id"]).to_owned();
    let watching = tokio::spawn(watch(customer.clone(), id.clone()));
    let ticket = city.ticket_of(shop, &order).await;
    city.accept(shop, &ticket).await.ok();
    let offer = city.offer(rider, &order).await;
    let delivery = rider.post(&format!("/v1/rider/offers/{}/accept", text(&offer["id"])), json!({})).await.ok();
    let delivery = format!("/v1/rider/deliveries/{}", text(&delivery["id"]));
    for tap in ["at_pickup", "picked_up", "at_dropoff"] {
        rider.post(&format!("{delivery}/{tap}"), json!({})).await.ok();
    }
    rider.post(&format!("{delivery}/delivered"), json!({"pin": order["pin"]})).await.ok();
    let last = watching.await.expect("the stream can be followed");
    assert_eq!(last["state"], "delivered");
    id
}

/// Follows an order to its end, over as many streams as it takes. Versions never go back.
async fn watch(customer: Caller, id: String) -> Value {
    let path = format!("/v1/orders/{id}/stream");
    let (mut cursor, mut version) = (None::<String>, 0);
    loop {
        let mut stream = customer.stream(&path, cursor.as_deref()).await;
        while let Some(frame) = stream.next().await {
            let seen = frame.data["version"].as_i64().expect("a version");
            assert!(seen >= version, "{path} went back from {version} to {seen}");
            version = seen;
            if frame.data["state"] == "delivered" {
                return frame.data;
            }
            cursor = Some(frame.id);
        }
    }
}
