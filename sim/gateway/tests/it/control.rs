//! Commands: rules come and go, and the payment API stands still.

use pannier_testkit::{eventually, http_client};
use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Gateway, answer, no_answer};

#[tokio::test]
async fn rules_are_listed_counted_and_removed() {
    let gateway = Gateway::start().await;
    let rules = async || gateway.control(Method::GET, "misbehaviours", &Value::Null).await.1["data"].clone();
    gateway.misbehave(json!({ "on": "capture", "do": "error_before", "times": 2, "reference": "pay_1" })).await;
    gateway.misbehave(json!({ "on": "any", "do": "no_callback" })).await;
    for reference in ["pay_1", "pay_2"] {
        answer(gateway.authorise(reference, reference, "tok_ok")).await;
    }
    assert_eq!(answer(gateway.change("capture", "op-1", "pay_1")).await.0, 500);
    assert_eq!(answer(gateway.change("capture", "op-2", "pay_2")).await.0, 200, "the rule is of another payment");
    assert_eq!((rules().await[0]["times"].clone(), rules().await[1]["do"].clone()), (json!(1), json!("no_callback")));
    assert_eq!(gateway.control(Method::DELETE, "misbehaviours", &Value::Null).await.0, 204);
    assert_eq!(rules().await, json!([]));
    assert_eq!(answer(gateway.change("capture", "op-1", "pay_1")).await.0, 200);
    gateway.end().await;
}

#[tokio::test]
async fn a_command_that_makes_no_sense_is_refused() {
    let gateway = Gateway::start().await;
    for (rule, status) in [
        (json!({ "on": "capture", "do": "decline" }), 422),
        (json!({ "on": "capture", "do": "hang", "times": 0 }), 422),
        (json!({ "on": "capture", "do": "sing" }), 400),
        (json!({ "on": "capture", "do": "hang", "time": 1 }), 400),
        (json!({ "do": "hang" }), 400),
    ] {
        assert_eq!(gateway.control(Method::POST, "misbehaviours", &rule).await.0, status, "{rule}");
    }
    assert_eq!(gateway.control(Method::POST, "freeze", &json!({ "ms": 600_001 })).await.0, 422);
    assert_eq!(gateway.control(Method::POST, "thaw", &json!({})).await.0, 404);
    gateway.end().await;
}

#[tokio::test]
async fn a_frozen_gateway_does_later_what_it_was_asked_meanwhile() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.control(Method::POST, "freeze", &json!({ "ms": 600_000 })).await.0, 204);
    no_answer(gateway.authorise("op-1", "pay_1", "tok_ok")).await;
    no_answer(gateway.request(Method::GET, "/v1/operations/op-1")).await;
    no_answer(gateway.request(Method::GET, "/v1/ledger")).await;
    assert_eq!(http_client().get(format!("{}/livez", gateway.url)).send().await.unwrap().status(), 200);
    let patient = tokio::spawn(gateway.authorise("op-2", "pay_2", "tok_ok").send());
    assert_eq!(gateway.control(Method::POST, "freeze", &json!({ "ms": 0 })).await.0, 204);
    assert_eq!(patient.await.unwrap().unwrap().status(), 201);
    eventually("what its caller gave up is done", || async { gateway.knows("op-1").await.then_some(()) }).await;

    assert_eq!(gateway.control(Method::POST, "freeze", &json!({ "ms": 500 })).await.0, 204);
    no_answer(gateway.request(Method::GET, "/v1/ledger")).await;
    assert_eq!(gateway.get("/v1/ledger").await.0, 200, "it ends by itself");
    gateway.end().await;
}
