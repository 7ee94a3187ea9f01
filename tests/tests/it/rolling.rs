//! Every process is restarted, one after the other, while orders go from tap to door. No request fails.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pannier_devenv::servers::server::Server;
use pannier_platform::Stop;
use pannier_testkit::eventually;
use pannier_tests::city::{MIDDLE, text};
use pannier_tests::{Balanced, Caller, TestCity};
use serde_json::{Value, json};

use crate::tools::tool;

/// Shops with a customer each, who order again and again; and as many riders, who bring whatever they are offered.
const LINES: usize = 3;

/// What customers tell the riders at the door, by order.
type Pins = Arc<Mutex<HashMap<String, Value>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_fails_no_request() {
    let Some(haproxy) = tool(Server::HaProxy).await else { return };
    let mut balanced = Balanced::start(&haproxy).await;
    let (orders, pins) = (Arc::new(AtomicUsize::new(0)), Pins::default());
    let (no_more_orders, all_brought) = (Stop::new(), Stop::new());
    let members = balanced.members();
    let (mut customers, mut riders) = (Vec::new(), Vec::new());
    for _ in 0..LINES {
        let city = Arc::clone(&balanced.city);
        riders.push(tokio::spawn(ride(city, Arc::clone(&pins), all_brought.clone())));
        let (city, orders) = (Arc::clone(&balanced.city), Arc::clone(&orders));
        customers.push(tokio::spawn(order_again_and_again(city, Arc::clone(&pins), orders, no_more_orders.clone())));
    }
    for name in &members {
        let before = orders.load(Ordering::Relaxed);
        balanced.restart(name).await;
        // At least one whole order between two restarts: the work goes on.
        eventually("an order is delivered", || async { (orders.load(Ordering::Relaxed) > before).then_some(()) }).await;
    }
    no_more_orders.cancel();
    // Every call asserts that it was answered, and with 2xx: a failed one is a panic here.
    for line in customers {
        line.await.expect("no request of a customer or a shop failed");
    }
    all_brought.cancel();
    for line in riders {
        line.await.expect("no request of a rider failed");
    }
    let delivered = orders.load(Ordering::Relaxed);
    for (stored, what) in [
        ("SELECT count(*) AS n FROM orders.orders", "each order exists once"),
        ("SELECT count(*) AS n FROM orders.orders WHERE state = 'delivered'", "and is delivered"),
        ("SELECT count(*) AS n FROM dispatch.deliveries", "by one delivery"),
    ] {
        assert_eq!(balanced.city.db.count(stored).await, i64::try_from(delivered).expect("few"), "{what}");
    }
    let (answers, failed) = balanced.answers().await;
    eprintln!("{} restarts, {delivered} orders from tap to door, {failed} of {answers} requests failed", members.len());
    assert_eq!(failed, 0, "of {answers}");
    assert!(answers > 100, "the load was worth the name: {answers}");
    balanced.end().await;
}

/// A shop and its customer: one order after the other, each followed to the door.
async fn order_again_and_again(city: Arc<TestCity>, pins: Pins, orders: Arc<AtomicUsize>, stop: Stop) {
    let (shop, customer) = (city.shop().await, city.customer());
    while !stop.is_cancelled() {
        let order = city.placed(&customer, &shop).await;
        let id = text(&order["id"]).to_owned();
        pins.lock().expect("not poisoned").insert(id.clone(), order["pin"].clone());
        let ticket = city.ticket_of(&shop, &order).await;
        city.accept(&shop, &ticket).await.ok();
        let last = watch(customer.clone(), id).await;
        assert_eq!(last["state"], "delivered");
        orders.fetch_add(1, Ordering::Relaxed);
    }
}

/// A rider: says where they are, accepts what is offered, and brings it.
async fn ride(city: Arc<TestCity>, pins: Pins, stop: Stop) {
    let rider = city.rider().await;
    let (lat, lng) = MIDDLE;
    let mut carried = 0;
    while !stop.is_cancelled() {
        let fix = json!({"seq": chrono::Utc::now().timestamp_millis(), "place": {"lat": lat + 0.002, "lng": lng}});
        rider.post("/v1/rider/locations", json!({"locations": [fix]})).await.ok();
        let offers = rider.get("/v1/rider/offers").await.ok();
        let Some(offer) = offers["data"].as_array().and_then(|offers| offers.first()).cloned() else {
            pause().await;
            continue;
        };
        let accepted = rider.post(&format!("/v1/rider/offers/{}/accept", text(&offer["id"])), json!({})).await;
        if accepted.status == 409 || accepted.status == 410 {
            // It ended meanwhile, which is no failure.
            continue;
        }
        let delivery = format!("/v1/rider/deliveries/{}", text(&accepted.ok()["id"]));
        for tap in ["at_pickup", "picked_up", "at_dropoff"] {
            rider.post(&format!("{delivery}/{tap}"), json!({})).await.ok();
        }
        let order = text(&offer["order_id"]).to_owned();
        let pin = pins.lock().expect("not poisoned").get(&order).cloned().expect("the customer is at the door");
        rider.post(&format!("{delivery}/delivered"), json!({"pin": pin})).await.ok();
        pins.lock().expect("not poisoned").remove(&order);
        carried += 1;
    }
    eprintln!("a rider brought {carried} orders");
}

/// A rider's app looks for offers a few times a second.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(200)).await;
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
