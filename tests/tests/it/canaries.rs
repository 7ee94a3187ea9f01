//! Nothing that is secret or personal is in a log or a metric: words are planted through every input of an order's life, and
//! in requests that are refused, and everything that the services have written is searched for them.

use pannier_testkit::http_client;
use pannier_tests::TestCity;
use pannier_tests::city::text;
use serde_json::json;

/// Positions of this test have digits that nothing else has.
const DROPOFF: (f64, f64) = (52.527_777_31, 13.403_333_17);
const RIDER: (f64, f64) = (52.521_111_93, 13.402_222_71);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_and_metrics_have_no_token_pin_name_or_exact_position() {
    // Debug: what only a careful operator would see is searched, too.
    let env = [("RUST_LOG", "debug,hyper=info,h2=info,reqwest=info,mio=info")];
    let city = TestCity::start_processes(&env.map(|(name, value)| (name.to_owned(), value.to_owned()))).await;
    let mut canaries: Vec<(&str, String)> = Vec::new();
    let (shop, customer) = (city.shop().await, city.customer());
    let rider = city.rider_offline().await;

    // Names, notes and phones, as people write them.
    let named = json!({"name": "Canary Nightingale", "vehicle": "bicycle", "speed_mps": 5.0, "capacity": 2});
    let profile = rider.get("/v1/rider/profile").await.ok();
    rider.put("/v1/rider/profile", Some(&profile["version"]), named).await.ok();
    canaries.push(("the rider's name", "Canary Nightingale".to_owned()));
    let (lat, lng) = RIDER;
    rider.post("/v1/rider/online", json!({"place": {"lat": lat, "lng": lng}})).await.ok();
    canaries.push(("the rider's position", "52.5211119".to_owned()));
    canaries.push(("the rider's position", "13.4022227".to_owned()));

    let (lat, lng) = DROPOFF;
    let basket =
        json!({"merchant_id": shop.id, "lines": [{"sku": "soup", "quantity": 1}], "dropoff": {"lat": lat, "lng": lng}});
    let quote = customer.post("/v1/quotes", basket).await.ok();
    canaries.push(("the door's position", "52.5277773".to_owned()));
    canaries.push(("the door's position", "13.4033331".to_owned()));
    let order = customer.post("/v1/orders", json!({"quote_id": quote["id"], "payment_method": "tok_ok"})).await.ok();
    let pin = text(&order["pin"]).to_owned();
    let ticket = city.ticket_of(&shop, &order).await;
    city.accept(&shop, &ticket).await.ok();
    let offer = city.offer(&rider, &order).await;
    let delivery = rider.post(&format!("/v1/rider/offers/{}/accept", text(&offer["id"])), json!({})).await.ok();
    let delivery = format!("/v1/rider/deliveries/{}", text(&delivery["id"]));
    for tap in ["at_pickup", "picked_up", "at_dropoff"] {
        rider.post(&format!("{delivery}/{tap}"), json!({})).await.ok();
    }
    let wrong = rider.post(&format!("{delivery}/delivered"), json!({"pin": "canary-pin"})).await;
    assert_eq!((wrong.status, wrong.code()), (422, "wrong_pin"));
    canaries.push(("a wrong PIN", "canary-pin".to_owned()));
    rider.post(&format!("{delivery}/delivered"), json!({"pin": pin})).await.ok();
    city.order_is(&customer, &order, "delivered").await;

    // What is refused is logged most readily: unreadable bodies, unknown fields, bad tokens.
    for body in [
        json!({"quote_id": quote["id"], "payment_method": "canary_card_4242"}),
        json!({"quote_id": "canary_quote_x", "payment_method": 7, "phone": "+49-canary-30"}),
    ] {
        let refused = customer.post("/v1/orders", body).await;
        assert!((400..500).contains(&refused.status), "{refused:?}");
    }
    canaries.extend([("a payment token", "canary_card_4242".to_owned()), ("a phone", "+49-canary-30".to_owned())]);
    let forged = "canary.forged.token";
    let refused = http_client().get(format!("{}/v1/orders", city.order_url)).bearer_auth(forged).send().await;
    assert_eq!(refused.expect("an answer").status(), 401);
    canaries.push(("a forged token", forged.to_owned()));
    for (role, subject) in [
        (pannier_platform::auth::Role::Customer, customer.id.clone()),
        (pannier_platform::auth::Role::Merchant, shop.id.clone()),
        (pannier_platform::auth::Role::Rider, rider.id.clone()),
    ] {
        // The header of a token is the same for all; its second part is this person's.
        let token = city.token(role, &subject);
        canaries.push(("a token", token.split('.').nth(1).expect("three parts").chars().take(24).collect()));
    }
    canaries.push(("a password", "://orders:".to_owned()));
    // PINs are short: as a value, not as a part of some number.
    canaries.push(("the PIN", format!("\"{pin}\"")));

    let mut written = city.logs();
    assert!(written.lines().count() > 50, "the services have logged");
    let not_json: Vec<_> =
        written.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_err()).collect();
    assert_eq!(not_json, Vec::<&str>::new(), "every line is one JSON object");
    for admin in &city.admin_urls {
        let metrics =
            http_client().get(format!("{admin}/metrics")).send().await.expect("an answer").text().await.expect("text");
        for id in [&order["id"], &order["merchant_id"]] {
            assert!(!metrics.contains(text(id)), "no metric has an id");
        }
        written += &metrics;
    }
    assert!(written.contains(text(&order["id"])), "what may be in logs is found, so what may not would be, too");
    let found: Vec<_> = canaries
        .iter()
        .filter_map(|(what, canary)| {
            let line = written.lines().find(|line| line.contains(canary.as_str()))?;
            Some(format!("{what} ({canary}): {line}"))
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    city.end().await;
}
