//! Event streams begin with the present state, then show each change. They resume from a cursor and end with the
//! service.

use std::time::Duration;

use pannier_platform::auth::Role;
use pannier_testkit::service::token;
use pannier_tests::city::text;
use pannier_tests::{Frame, TestCity};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customer_shop_and_rider_watch_one_order() {
    let city = TestCity::start().await;
    let (shop, other_shop, customer) = (city.shop().await, city.shop().await, city.customer());
    let rider = city.rider().await;
    let tickets = "/v1/merchant/tickets/stream";
    let mut tablet = shop.stream(tickets, None).await;
    let mut other_tablet = other_shop.stream(tickets, None).await;
    let mut phone = rider.stream("/v1/rider/offers/stream", None).await;

    // From tap to door, with the streams of customer, shop and rider open.
    let (order, ticket) = city.ticket(&customer, &shop).await;
    let path = format!("/v1/orders/{}/stream", text(&order["id"]));
    let mut stream = customer.stream(&path, None).await;
    let rings = tablet.until("the ticket rings", |f| f.data["order_id"] == order["id"]).await;
    assert_eq!((rings.event.as_str(), &rings.data["state"]), ("ticket", &json!("awaiting_acceptance")));
    let paid = stream.until("it is paid", is("paid")).await;
    city.accept(&shop, &ticket).await.ok();
    stream.until("it is accepted", is("accepted")).await;
    tablet.until("the ticket is accepted", is("accepted")).await;

    let offer = phone.until("the offer", |f| f.event == "offer" && f.data["state"] == "sent").await;
    let accept = format!("/v1/rider/offers/{}/accept", text(&offer.data["id"]));
    let delivery = rider.post(&accept, json!({})).await.ok();
    phone.until("the delivery", |f| f.event == "delivery" && f.data["state"] == "assigned").await;
    let assigned = stream.until("the rider", |f| f.data["delivery"]["state"] == "assigned").await;
    assert_eq!(assigned.data["delivery"]["rider_id"], rider.id.as_str());
    let delivery = format!("/v1/rider/deliveries/{}", text(&delivery["id"]));
    for tap in ["at_pickup", "picked_up", "at_dropoff"] {
        rider.post(&format!("{delivery}/{tap}"), json!({})).await.ok();
    }
    stream.until("it is on its way", is("delivering")).await;
    tablet.until("the food has left", is("handed_over")).await;
    rider.post(&format!("{delivery}/delivered"), json!({"pin": order["pin"]})).await.ok();
    let delivered = stream.until("it is delivered", is("delivered")).await;
    assert!(delivered.data.get("allowed_actions").is_none());
    let mut now = customer.get(path.trim_end_matches("/stream")).await.ok();
    now.as_object_mut().unwrap().remove("allowed_actions");
    let mut last = delivered;
    while last.data["progress"] != now["progress"] {
        last = stream.next().await.unwrap();
    }
    assert_eq!((last.event.as_str(), &last.data), ("order", &now));

    // A client that reconnects with a cursor gets only newer records.
    let mut back = customer.stream(&path, Some(&paid.id)).await;
    assert!(back.next().await.unwrap().data["version"].as_i64() > paid.data["version"].as_i64());
    let mut back = shop.stream(tickets, Some(&rings.id)).await;
    let mut missed = Vec::new();
    while missed.last().is_none_or(|f: &Frame| f.data["state"] != "handed_over") {
        missed.push(back.next().await.unwrap());
    }
    let states: Vec<_> = missed.iter().map(|f| text(&f.data["state"])).collect();
    assert_eq!(states, ["accepted", "handed_over"]);
    // With an unknown cursor the stream begins with the present state.
    for cursor in ["nonsense", "99999999"] {
        let mut fresh = customer.stream(&path, Some(cursor)).await;
        assert_eq!(fresh.next().await.unwrap().data["version"], now["version"], "{cursor}");
    }
    let (second, _) = city.ticket(&customer, &shop).await;
    for cursor in [None, Some("nonsense"), Some("99999999")] {
        let mut fresh = shop.stream(tickets, cursor).await;
        assert_eq!(fresh.next().await.unwrap().data["order_id"], second["id"], "{cursor:?}: only the open ticket");
    }

    // The first record of the other shop is its own ticket: it saw none of the first shop's.
    let (own, _) = city.ticket(&customer, &other_shop).await;
    assert_eq!(other_tablet.next().await.unwrap().data["order_id"], own["id"]);

    // A stream ends when its token expires, without the leeway that requests get.
    let short = token(Role::Customer, &customer.id, Duration::from_secs(2));
    let mut short = customer.with_token(short).stream(&path, None).await;
    while short.next().await.is_some() {}

    // Twenty open streams do not delay the shutdown, and they end with it.
    let mut streams = vec![stream, tablet, other_tablet, phone];
    for _ in 0..8 {
        streams.push(customer.stream(&path, None).await);
        streams.push(shop.stream(tickets, None).await);
    }
    city.end().await;
    for mut stream in streams {
        while stream.next().await.is_some() {}
    }
}

fn is(state: &'static str) -> impl Fn(&Frame) -> bool {
    move |frame| frame.data["state"] == state
}
