//! However an order ends, its ticket, delivery and payment end with it, and the checks find no violation.

use std::time::Duration;

use pannier_replay::checks::{CHECKS, check, load};
use pannier_replay::evidence::Evidence;
use pannier_replay::gateway::read_ledger;
use pannier_testkit::eventually;
use pannier_tests::city::text;
use pannier_tests::gateway::API_KEY;
use pannier_tests::{Answer, Caller, TestCity};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_an_order_ends_everything_ends_together() {
    let city = TestCity::start().await;
    let (shop, customer, rider) = (city.shop().await, city.customer(), city.rider().await);
    let because = json!({"reason": "other"});
    let ticket_path = |ticket: &Value, action: &str| format!("/v1/merchant/tickets/{}/{action}", text(&ticket["id"]));
    let order_path = |order: &Value| format!("/v1/orders/{}", text(&order["id"]));

    let (delivered, delivery) = city.assigned(&customer, &shop, &rider).await;
    let delivery = format!("/v1/rider/deliveries/{}/delivered", text(&delivery["id"]));
    rider.post(&delivery.replace("delivered", "picked_up"), json!({})).await.ok();
    // After pickup neither operations nor the customer can cancel.
    let ops = city.ops(&city.order_url);
    city.order_is(&customer, &delivered, "delivering").await;
    cancelled_by_ops(&ops, &delivered).await.problem(409, "order_already_picked_up");
    customer.post(&format!("{}/cancel", order_path(&delivered)), json!({})).await.problem(409, "illegal_transition");
    rider.post(&delivery, json!({"pin": delivered["pin"]})).await.ok();

    let (rejected, ticket) = city.ticket(&customer, &shop).await;
    shop.post_if(&ticket_path(&ticket, "reject"), &ticket["version"], because.clone()).await.ok();

    let (regretted, _) = city.ticket(&customer, &shop).await;
    customer.post(&format!("{}/cancel", order_path(&regretted)), json!({})).await.ok();

    let (given_back, ticket) = city.ticket(&customer, &shop).await;
    let ticket = city.accept(&shop, &ticket).await.ok();
    shop.post_if(&ticket_path(&ticket, "cancel"), &ticket["version"], because.clone()).await.ok();

    let (forbidden, _) = city.assigned(&customer, &shop, &rider).await;
    cancelled_by_ops(&ops, &forbidden).await.ok();

    // Sold out between quote and order.
    let quote = city.quote(&customer, &shop).await;
    let menu = shop.get("/v1/merchant/menu").await.ok();
    let mut items = menu["items"].clone();
    items[0]["available"] = json!(false);
    let menu = shop.put("/v1/merchant/menu", Some(&menu["version"]), json!({"items": items})).await.ok();
    let sold_out = customer.post("/v1/orders", json!({"quote_id": quote["id"], "payment_method": "tok_ok"})).await.ok();
    city.ends_as(&sold_out, ["rejected", "rejected", "-", "voided"]).await;
    items[0]["available"] = json!(true);
    shop.put("/v1/merchant/menu", Some(&menu["version"]), json!({"items": items})).await.ok();
    eventually("the soup is available again", || async {
        let menu = customer.get(&format!("/v1/merchants/{}/menu", shop.id)).await.ok();
        (menu["items"][0]["available"] == true).then_some(())
    })
    .await;

    city.ends_as(&delivered, ["delivered", "handed_over", "delivered", "captured"]).await;
    city.ends_as(&rejected, ["rejected", "rejected", "-", "voided"]).await;
    city.ends_as(&regretted, ["cancelled", "cancelled", "-", "voided"]).await;
    // The events of the acceptance and of the cancellation may come in one batch. Then no delivery is opened at all.
    let before_or_after = ["-", "cancelled"].map(|delivery| ["cancelled", "cancelled", delivery, "refunded"]);
    city.ends_as_one_of(&given_back, &before_or_after).await;
    city.ends_as(&forbidden, ["cancelled", "cancelled", "cancelled", "refunded"]).await;

    // One order is not paid, one is not answered by the shop, and one finds no rider. An hour later all have ended.
    rider.post("/v1/rider/offline", json!({})).await.ok();
    let quote = city.quote(&customer, &shop).await;
    let card = json!({"quote_id": quote["id"], "payment_method": "tok_declined"});
    let unpaid = customer.post("/v1/orders", card).await.ok();
    let (unanswered, _) = city.ticket(&customer, &shop).await;
    let uncarried = city.accepted(&customer, &shop).await;
    city.ends_as(&uncarried, ["accepted", "accepted", "searching", "captured"]).await;
    city.ends_as(&unpaid, ["pending_payment", "-", "-", "failed"]).await;
    city.db.let_time_pass(Duration::from_secs(3600)).await;
    city.ends_as(&unpaid, ["expired", "-", "-", "failed"]).await;
    city.ends_as(&unanswered, ["expired", "expired", "-", "voided"]).await;
    city.ends_as(&uncarried, ["failed", "cancelled", "unassignable", "refunded"]).await;

    nothing_is_wrong(&city).await;
    for base in [&city.order_url, &city.merchant_url, &city.dispatch_url] {
        assert_eq!(city.ops(base).get("/v1/ops/stuck").await.ok()["data"], json!([]), "nothing is stuck");
    }
    city.end().await;
}

/// Operations read the order and cancel it with its version. If the version has changed meanwhile they read it again.
async fn cancelled_by_ops(ops: &Caller, order: &Value) -> Answer {
    let path = format!("/v1/ops/orders/{}", text(&order["id"]));
    eventually("the version is current", || async {
        let seen = ops.get(&path).await.ok();
        let answer = ops.post_if(&format!("{path}/cancel"), &seen["version"], json!({"reason": "other"})).await;
        (answer.status != 412).then_some(answer)
    })
    .await
}

/// Runs all checks, with the ledger of the gateway. Repeats each until it finds nothing, because the last events may
/// not be applied yet.
async fn nothing_is_wrong(city: &TestCity) {
    let ledger = read_ledger(&city.gateway_url, &API_KEY.into()).await.unwrap();
    assert!(ledger.len() > 8, "{ledger:?}");
    let db = tokio::sync::Mutex::new(city.db.connect().await);
    load(&mut *db.lock().await, &Evidence { ledger, ..Evidence::default() }).await.unwrap();
    for (name, sql) in CHECKS {
        let last = std::sync::Mutex::new(None);
        let quiet = eventually(name, || async {
            let found = check(&mut *db.lock().await, name, sql).await.unwrap();
            let clean = found.count == 0;
            *last.lock().unwrap() = Some(found);
            clean.then_some(())
        });
        if tokio::time::timeout(Duration::from_secs(10), quiet).await.is_err() {
            panic!("{:#?}", last.lock().unwrap());
        }
    }
}
