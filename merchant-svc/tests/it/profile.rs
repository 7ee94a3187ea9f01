//! Profile and menu of a shop, and whether it is open.

use pannier_contracts::MerchantId;
use pannier_platform::auth::Role;
use pannier_testkit::{Answer, Caller, http_client};
use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Shop, item};

fn profile(name: &str) -> Value {
    json!({"name": name, "place": {"lat": 52.5, "lng": 13.4}, "currency": "EUR", "prep_ms": 600_000})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_creates_its_profile_fills_its_menu_and_opens() {
    let shop = Shop::start().await;
    shop.get("/v1/merchant/profile").await.problem(404, "not_found");
    shop.put("/v1/merchant/menu", Some(1), json!({"items": []})).await.problem(404, "not_found");

    let made = shop.put("/v1/merchant/profile", None, profile("Noodles")).await;
    assert_eq!((made.status, made.version(), &made.body["status"]), (200, 1, &json!("paused")));
    assert_eq!(made.body["id"], shop.id.to_string());
    assert_eq!(made.body["allowed_actions"], json!([]), "there is nothing to sell yet");
    let again = shop.put("/v1/merchant/profile", None, profile("Noodles")).await;
    assert_eq!((again.status, again.version()), (200, 1), "the same profile again changes nothing");
    shop.put("/v1/merchant/profile", None, profile("Rice")).await.problem(428, "if_match_missing");
    let stale = shop.put("/v1/merchant/profile", Some(7), profile("Rice")).await;
    assert_eq!(stale.problem(412, "stale_version")["version"], 1);
    assert_eq!(shop.put("/v1/merchant/profile", Some(1), profile("Rice")).await.version(), 2);

    shop.post("/v1/merchant/open", Some(2), json!({})).await.problem(422, "menu_empty");
    shop.put("/v1/merchant/menu", None, json!({"items": []})).await.problem(428, "if_match_missing");
    let menu = json!({"items": [item("soup", 650, true), item("cake", 300, false)]});
    let filled = shop.put("/v1/merchant/menu", Some(2), menu.clone()).await;
    assert_eq!((filled.status, filled.version(), &filled.body["menu"]), (200, 3, &menu["items"]));
    assert_eq!(filled.body["allowed_actions"], json!(["open"]));
    let read = shop.get("/v1/merchant/menu").await;
    assert_eq!((read.version(), &read.body["items"]), (3, &menu["items"]));

    assert_eq!(shop.post("/v1/merchant/open", Some(3), json!({})).await.body["status"], "open");
    assert_eq!(shop.post("/v1/merchant/open", Some(4), json!({})).await.version(), 4, "it is open already");
    let none = json!({"items": []});
    shop.put("/v1/merchant/menu", Some(4), none.clone()).await.problem(422, "menu_empty");
    let other = json!({"name": "Rice", "place": {"lat": 52.5, "lng": 13.4}, "currency": "JPY", "prep_ms": 1});
    shop.put("/v1/merchant/profile", Some(4), other.clone()).await.problem(422, "currency_in_use");
    assert_eq!(shop.post("/v1/merchant/pause", Some(4), json!({})).await.body["status"], "paused");
    assert_eq!(shop.put("/v1/merchant/menu", Some(5), none).await.version(), 6);
    assert_eq!(shop.put("/v1/merchant/profile", Some(6), other).await.body["currency"], "JPY");

    let told = "SELECT count(*) AS n FROM merchant.events WHERE aggregate = 'merchant'";
    assert_eq!(shop.db.count(told).await, 7, "one event for each version");
    let opened =
        "SELECT count(*) AS n FROM merchant.events WHERE type = 'merchant.status_changed.v1' AND version IN (4, 5)";
    assert_eq!(shop.db.count(opened).await, 2);
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_profiles_and_menus_are_refused() {
    let shop = Shop::start().await;
    let with = |field: &str, value: Value| {
        let mut body = profile("Noodles");
        body[field] = value;
        body
    };
    for (body, status, code) in [
        (with("name", json!("")), 422, "text_invalid"),
        (with("name", json!("x".repeat(129))), 422, "text_invalid"),
        (with("prep_ms", json!(-1)), 422, "prep_ms_invalid"),
        (with("place", json!({"lat": 91, "lng": 0})), 400, "body_invalid"),
        (with("currency", json!("eur")), 400, "body_invalid"),
        (with("status", json!("open")), 400, "body_invalid"),
    ] {
        shop.put("/v1/merchant/profile", None, body).await.problem(status, code);
    }
    assert_eq!(shop.db.count("SELECT count(*) AS n FROM merchant.merchants").await, 0);
    shop.put("/v1/merchant/profile", None, profile("Noodles")).await;
    let mut unknown = item("soup", 650, true);
    unknown["allergens"] = json!([]);
    let got = shop.put("/v1/merchant/menu", Some(1), json!({"items": [unknown]})).await;
    got.problem(400, "body_invalid");
    let wrong =
        json!({"items": [{"sku": "a", "name": "a", "price": {"amount": 1, "currency": "USD"}, "available": true}]});
    let got = shop.put("/v1/merchant/menu", Some(1), wrong).await;
    assert_eq!(got.problem(422, "wrong_currency")["errors"][0]["pointer"], "/items/0/price/currency");
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_reads_and_writes_a_shop_and_its_tickets() {
    let shop = Shop::open().await;
    let (_, ticket) = shop.ringing().await;
    let other = shop.caller(Role::Merchant, &MerchantId::generate().to_string());
    let rider = shop.caller(Role::Rider, "rdr_0192f3c27b2e7d1a8f4e5a6b7c8d9e0f");
    let routes: Vec<(Method, String, bool)> = vec![
        (Method::GET, "/v1/merchant/profile".into(), true),
        (Method::PUT, "/v1/merchant/menu".into(), true),
        (Method::POST, "/v1/merchant/open".into(), true),
        (Method::POST, "/v1/merchant/pause".into(), true),
        (Method::GET, format!("/v1/merchant/tickets/{ticket}"), true),
        (Method::POST, format!("/v1/merchant/tickets/{ticket}/accept"), true),
        (Method::POST, format!("/v1/merchant/tickets/{ticket}/reject"), true),
        (Method::POST, format!("/v1/merchant/tickets/{ticket}/cancel"), true),
        (Method::POST, format!("/v1/merchant/tickets/{ticket}/ready"), true),
        (Method::GET, "/v1/merchant/tickets".into(), false),
        (Method::GET, "/v1/merchant/tickets/stream".into(), false),
        (Method::GET, "/v1/ops/tickets".into(), false),
        (Method::GET, "/v1/ops/merchants".into(), false),
    ];
    for (method, path, has_object) in &routes {
        let body = match path.rsplit('/').next().unwrap() {
            "menu" => json!({"items": []}),
            "accept" => json!({"ready_at": crate::shop::in_20_min()}),
            "reject" => json!({"reason": "closed"}),
            "cancel" => json!({"reason": "no gas"}),
            _ => json!({}),
        };
        let call = async |caller: &Caller| {
            let body = (*method != Method::GET).then(|| body.clone());
            caller.send(method.clone(), path, Some("12345678-abc"), Some(&json!(1)), body).await
        };
        let nobody = http_client().request(method.clone(), format!("{}{path}", shop.url));
        Answer::of(nobody.send().await.unwrap()).await.problem(401, "unauthorised");
        call(&rider).await.problem(403, "wrong_role");
        if *has_object {
            call(&other).await.problem(404, "not_found");
        }
    }
    let theirs = other.get("/v1/merchant/tickets").await;
    assert_eq!((theirs.status, &theirs.body["data"]), (200, &json!([])));
    let ops = shop.caller(Role::Ops, "anna");
    let all = ops.get("/v1/ops/tickets?open=true").await;
    assert_eq!((&all.body["data"][0]["id"], &all.body["data"][0]["allowed_actions"]), (&json!(ticket), &json!([])));
    let shops = ops.get("/v1/ops/merchants").await;
    assert_eq!(shops.body["data"][0]["id"], shop.id.to_string());
    assert!(shop.calls().is_empty(), "order-svc got no call");
    shop.end().await;
}
