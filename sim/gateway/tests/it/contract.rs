//! What `docs/payment-gateway.md` promises of a gateway that behaves.

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{API_KEY, CONTROL_KEY, Gateway, answer, authorisation};

#[tokio::test]
async fn the_same_key_is_one_operation() {
    let gateway = Gateway::start().await;
    let first = answer(gateway.authorise("op-1", "pay_1", "tok_ok")).await;
    assert_eq!((first.0, &first.1["state"]), (201, &json!("authorised")));
    let again = gateway.authorise("op-1", "pay_1", "tok_ok").send().await.unwrap();
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!((again.status().as_u16(), again.json::<Value>().await.unwrap()), first);
    assert_eq!(answer(gateway.authorise("op-1", "pay_2", "tok_ok")).await.0, 422, "another request");
    assert_eq!(answer(gateway.authorise("op-2", "pay_1", "tok_ok")).await.0, 409, "held already");

    let capture = answer(gateway.change("capture", "op-3", "pay_1")).await;
    assert_eq!((capture.0, &capture.1["state"]), (200, &json!("captured")));
    assert_eq!(answer(gateway.change("capture", "op-3", "pay_1")).await, capture);
    assert_eq!(answer(gateway.change("capture", "op-4", "pay_1")).await.0, 409, "only once");
    assert_eq!(answer(gateway.change("void", "op-5", "pay_1")).await.0, 409, "taken already");
    gateway.end().await;
}

#[tokio::test]
async fn a_captured_amount_is_refunded_in_parts() {
    let gateway = Gateway::start().await;
    answer(gateway.authorise("op-1", "pay_1", "tok_ok")).await;
    assert_eq!(answer(gateway.change("refund", "op-2", "pay_1")).await.0, 409, "nothing was taken yet");
    answer(gateway.change("capture", "op-3", "pay_1")).await;
    let refund =
        async |key: &str, body: Value| answer(gateway.operation("/v1/authorizations/pay_1/refund", key, &body)).await;
    let part = refund("op-4", json!({ "amount": 250 })).await;
    assert_eq!((part.0, &part.1["state"], &part.1["refunded"]), (200, &json!("partially_refunded"), &json!(250)));
    for amount in [1001, 0, -1] {
        let too_much = refund(&format!("op-{amount}"), json!({ "amount": amount })).await;
        assert_eq!((too_much.0, &too_much.1["code"]), (409, &json!("refund_exceeds_capture")));
    }
    let rest = refund("op-5", json!({})).await;
    assert_eq!((rest.0, &rest.1["state"], &rest.1["refunded"]), (200, &json!("refunded"), &json!(1250)));
    assert_eq!(gateway.kinds().await, ["authorise", "capture", "refund", "refund"]);
    let (status, whole) = gateway.get("/v1/authorizations/pay_1").await;
    assert_eq!((status, &whole["captured"], &whole["refunded"]), (200, &json!(1250), &json!(1250)));
    gateway.end().await;
}

#[tokio::test]
async fn an_unknown_outcome_can_be_asked_for() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.get("/v1/operations/op-1").await.0, 404);
    for what in ["capture", "void", "refund"] {
        let unknown = answer(gateway.change(what, "op-1", "pay_1")).await;
        assert_eq!((unknown.0, &unknown.1["code"]), (404, &json!("unknown_reference")), "{what}");
    }
    assert!(!gateway.knows("op-1").await, "nothing happened, so the key is still free");
    assert_eq!(gateway.get("/v1/authorizations/pay_1").await.1["code"], "unknown_reference");

    let held = answer(gateway.authorise("op-1", "pay_1", "tok_ok")).await;
    let (status, outcome) = gateway.get("/v1/operations/op-1").await;
    assert_eq!((status, &outcome["status"], &outcome["body"]), (200, &json!(201), &held.1));
    assert_eq!((&outcome["kind"], &outcome["reference"]), (&json!("authorise"), &json!("pay_1")));
    let (status, whole) = gateway.get("/v1/authorizations/pay_1").await;
    assert_eq!((status, &whole), (200, &held.1));
    assert_eq!((&whole["state"], &whole["amount"]), (&json!("authorised"), &json!(1250)));
    gateway.end().await;
}

#[tokio::test]
async fn what_cannot_be_an_operation_is_not_stored() {
    let gateway = Gateway::start().await;
    for (body, status, code) in [
        (
            json!({ "reference": "pay_9", "amount": 0, "currency": "EUR", "method": "tok_ok" }),
            422,
            "invalid_authorisation",
        ),
        (
            json!({ "reference": "pay_9", "amount": 5, "currency": "eur", "method": "tok_ok" }),
            422,
            "invalid_authorisation",
        ),
        (json!({ "reference": "", "amount": 5, "currency": "EUR", "method": "tok_ok" }), 422, "invalid_authorisation"),
        (authorisation("pay_9", "tok_x"), 422, "unknown_method"),
        (authorisation("pay_9", "tok_ok-capture-sing"), 422, "unknown_method"),
        (json!({ "reference": "pay_9" }), 400, "invalid_body"),
    ] {
        let refused = answer(gateway.operation("/v1/authorizations", "op-1", &body)).await;
        assert_eq!((refused.0, &refused.1["code"]), (status, &json!(code)), "{body}");
        if code == "unknown_method" {
            assert!(refused.1["detail"].as_str().unwrap().contains("-ON-DO-TIMES"), "{}", refused.1);
        }
    }
    assert!(!gateway.knows("op-1").await);
    let no_key = gateway.request(Method::POST, "/v1/authorizations").json(&authorisation("pay_9", "tok_ok"));
    assert_eq!(answer(no_key).await.1["code"], "idempotency_key_missing");
    gateway.end().await;
}

#[tokio::test]
async fn each_api_has_a_key_of_its_own() {
    let gateway = Gateway::start().await;
    let http = pannier_testkit::http_client();
    let ask = async |path: &str, authorization: Option<String>| {
        let request = http.get(format!("{}{path}", gateway.url));
        let request = authorization.into_iter().fold(request, |r, value| r.header("authorization", value));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.headers().contains_key("www-authenticate"))
    };
    let bearer = |key: &str| Some(format!("Bearer {key}"));
    for path in
        ["/v1/ledger", "/v1/operations/op-1", "/v1/authorizations/pay_1", "/v1/nothing", "/v1/control/misbehaviours"]
    {
        for wrong in [None, bearer(""), bearer("wrong"), bearer(&API_KEY[1..]), Some(format!("Basic {API_KEY}"))] {
            assert_eq!(ask(path, wrong.clone()).await, (401, true), "{path} {wrong:?}");
        }
    }
    assert_eq!(ask("/v1/ledger", bearer(CONTROL_KEY)).await, (401, true), "commands are not payments");
    assert_eq!(ask("/v1/control/misbehaviours", bearer(API_KEY)).await, (403, false), "payments are not commands");
    assert_eq!(ask("/v1/ledger", Some(format!("bearer {API_KEY}"))).await, (200, false));
    assert_eq!(ask("/v1/control/misbehaviours", bearer(CONTROL_KEY)).await, (200, false));
    assert_eq!(ask("/livez", None).await, (200, false));
    assert_eq!(ask("/nothing", None).await, (404, false));
    let wrong = http.post(format!("{}/v1/authorizations", gateway.url)).header("idempotency-key", "op-1");
    let wrong = wrong.bearer_auth("wrong").json(&authorisation("pay_1", "tok_ok")).send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    assert!(!gateway.knows("op-1").await, "nothing was done");
    gateway.end().await;
}

#[tokio::test]
async fn the_ledger_is_read_page_by_page() {
    let gateway = Gateway::start().await;
    for n in 1..=5 {
        answer(gateway.authorise(&format!("op-{n}"), &format!("pay_{n}"), "tok_ok")).await;
    }
    answer(gateway.authorise("op-declined", "pay_6", "tok_declined")).await;
    let numbers = |page: &Value| -> Vec<u64> {
        page["data"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
    };
    let (_, whole) = gateway.get("/v1/ledger").await;
    assert_eq!(
        (numbers(&whole), &whole["next_after"]),
        (vec![1, 2, 3, 4, 5], &json!(5)),
        "what was declined moved nothing"
    );
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let (_, page) = gateway.get(&format!("/v1/ledger?after={after}&limit=2")).await;
        if numbers(&page).is_empty() {
            assert_eq!(page["next_after"], after, "the end is where the next question begins");
            break;
        }
        seen.extend(numbers(&page));
        after = page["next_after"].as_u64().unwrap();
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    answer(gateway.change("capture", "op-7", "pay_3")).await;
    let (_, new) = gateway.get(&format!("/v1/ledger?after={after}")).await;
    assert_eq!((numbers(&new), &new["data"][0]["operation_key"]), (vec![6], &json!("op-7")));
    for wrong in ["limit=0", "limit=1001", "limit=x", "after=-1"] {
        assert_eq!(gateway.get(&format!("/v1/ledger?{wrong}")).await.1["code"], "invalid_query", "{wrong}");
    }
    gateway.end().await;
}
