//! Each misbehaviour does what the contract says. Most are asked for by the token that a payment is authorised with.

use pannier_testkit::eventually;
use serde_json::json;

use crate::server::{Gateway, answer, no_answer};

#[tokio::test]
async fn decline_is_stored() {
    let gateway = Gateway::start().await;
    let declined = answer(gateway.authorise("op-1", "pay_1", "tok_ok-authorise-decline")).await;
    assert_eq!(
        (declined.0, &declined.1["code"], &declined.1["state"]),
        (402, &json!("card_declined"), &json!("declined"))
    );
    assert_eq!(answer(gateway.authorise("op-1", "pay_1", "tok_ok-authorise-decline")).await, declined);
    assert_eq!(gateway.get("/v1/operations/op-1").await.1["status"], 402);
    assert_eq!(gateway.get("/v1/authorizations/pay_1").await.0, 404, "nothing is held");
    gateway.misbehave(json!({ "on": "authorise", "do": "decline", "times": 1 })).await;
    assert_eq!(answer(gateway.authorise("op-2", "pay_2", "tok_ok")).await.0, 402);
    assert_eq!(answer(gateway.authorise("op-3", "pay_2", "tok_ok")).await.0, 201, "once");
    gateway.end().await;
}

#[tokio::test]
async fn refuse_is_for_good_for_a_key() {
    let gateway = Gateway::start().await;
    answer(gateway.authorise("op-1", "pay_1", "tok_ok-capture-refuse-2.void-refuse")).await;
    for key in ["op-2", "op-2", "op-3", "op-2"] {
        let refused = answer(gateway.change("capture", key, "pay_1")).await;
        assert_eq!((refused.0, &refused.1["code"]), (402, &json!("refused")), "{key}");
    }
    assert_eq!(gateway.get("/v1/operations/op-3").await.1["status"], 402);
    for key in ["op-4", "op-5", "op-6"] {
        assert_eq!(answer(gateway.change("void", key, "pay_1")).await.0, 409, "{key}: every time");
    }
    assert_eq!(answer(gateway.change("capture", "op-7", "pay_1")).await.0, 200, "the third key");
    assert_eq!(answer(gateway.change("capture", "op-2", "pay_1")).await.0, 402, "still");
    assert_eq!(gateway.kinds().await, ["authorise", "capture"]);
    gateway.end().await;
}

#[tokio::test]
async fn late_takes_effect_after_its_caller_has_left() {
    let gateway = Gateway::start().await;
    let late = json!({ "on": "authorise", "do": "late", "delay_ms": 4000, "times": 2 });
    gateway.misbehave(late).await;
    no_answer(gateway.authorise("op-1", "pay_1", "tok_ok")).await;
    assert!(!gateway.knows("op-1").await, "not yet");
    let void = answer(gateway.change("void", "op-3", "pay_1")).await;
    assert_eq!((void.0, &void.1["code"]), (404, &json!("unknown_reference")), "there is nothing to release yet");
    no_answer(gateway.authorise("op-2", "pay_2", "tok_ok")).await;
    assert_eq!(answer(gateway.authorise("op-2", "pay_2", "tok_ok")).await.0, 201, "the same key does not wait");
    assert_eq!(answer(gateway.authorise("op-4", "pay_3", "tok_ok")).await.0, 201, "nor do others");
    eventually("the late one is done", || async { gateway.knows("op-1").await.then_some(()) }).await;
    assert_eq!(gateway.get("/v1/authorizations/pay_1").await.1["state"], "authorised");
    assert_eq!(answer(gateway.change("void", "op-3", "pay_1")).await.0, 200, "the refusal was not stored");
    gateway.end().await;
}

#[tokio::test]
async fn a_late_operation_is_done_once() {
    let mut settings = pannier_gateway::Settings::new(crate::server::folder(), crate::server::API_KEY, "c");
    settings.late = std::time::Duration::from_millis(600);
    let gateway = Gateway::start_with(settings).await;
    answer(gateway.authorise("op-1", "pay_1", "tok_ok-capture-late-2")).await;
    no_answer(gateway.change("capture", "op-2", "pay_1")).await;
    // Later than the first, and another key: its stored refusal shows that both have come.
    no_answer(gateway.change("capture", "op-3", "pay_1")).await;
    let both = || async { (gateway.knows("op-2").await && gateway.knows("op-3").await).then_some(()) };
    eventually("both have come", both).await;
    assert_eq!(gateway.get("/v1/operations/op-3").await.1["status"], 409);
    assert_eq!(gateway.kinds().await, ["authorise", "capture"]);
    gateway.end().await;
}

#[tokio::test]
async fn no_answer_breaks_the_connection_after_the_effect() {
    let gateway = Gateway::start().await;
    let error = gateway.authorise("op-1", "pay_1", "tok_ok-authorise-no_answer-1").send().await.unwrap_err();
    assert!(!error.is_timeout() && !error.is_connect(), "{error:?}");
    assert_eq!(gateway.get("/v1/operations/op-1").await.1["status"], 201);
    let again = answer(gateway.authorise("op-1", "pay_1", "tok_ok-authorise-no_answer-1")).await;
    assert_eq!((again.0, gateway.kinds().await), (201, vec!["authorise".to_owned()]), "it was done once");
    gateway.end().await;
}

#[tokio::test]
async fn an_error_says_nothing_about_the_effect() {
    let gateway = Gateway::start().await;
    let token = "tok_ok-capture-error_before-1.capture-error_after-1";
    answer(gateway.authorise("op-1", "pay_1", token)).await;
    assert_eq!(answer(gateway.change("capture", "op-2", "pay_1")).await.0, 500);
    assert!(!gateway.knows("op-2").await, "an error before");
    assert_eq!(answer(gateway.change("capture", "op-2", "pay_1")).await.0, 500);
    assert!(gateway.knows("op-2").await, "an error after");
    assert_eq!(answer(gateway.change("capture", "op-2", "pay_1")).await.0, 200);
    assert_eq!(gateway.kinds().await, ["authorise", "capture"]);
    gateway.end().await;
}

#[tokio::test]
async fn forget_loses_the_whole_payment_for_ever() {
    let gateway = Gateway::start().await;
    answer(gateway.authorise("op-1", "pay_1", "tok_ok")).await;
    assert_eq!(answer(gateway.authorise("op-2", "pay_2", "tok_ok-authorise-forget")).await.0, 201);
    answer(gateway.authorise("op-3", "pay_3", "tok_ok-capture-forget")).await;
    let captured = answer(gateway.change("capture", "op-4", "pay_3")).await;
    assert_eq!((captured.0, &captured.1["state"]), (200, &json!("captured")));
    answer(gateway.authorise("op-5", "pay_5", "tok_ok")).await;

    let is_lost = async |gateway: &Gateway| {
        for key in ["op-2", "op-3", "op-4"] {
            assert!(!gateway.knows(key).await, "{key}");
        }
        for reference in ["pay_2", "pay_3"] {
            assert_eq!(gateway.get(&format!("/v1/authorizations/{reference}")).await.0, 404, "{reference}");
            assert_eq!(answer(gateway.change("capture", "op-6", reference)).await.0, 404, "{reference}");
            assert_eq!(answer(gateway.change("refund", "op-7", reference)).await.0, 404, "{reference}");
        }
        let (_, ledger) = gateway.get("/v1/ledger").await;
        let left = ledger["data"].as_array().unwrap().iter().map(|e| (e["seq"].clone(), e["reference"].clone()));
        assert_eq!(left.collect::<Vec<_>>(), [(json!(1), json!("pay_1")), (json!(3), json!("pay_5"))]);
    };
    is_lost(&gateway).await;
    let gateway = gateway.restart().await;
    is_lost(&gateway).await;
    gateway.end().await;
}

#[tokio::test]
async fn hang_does_nothing_and_does_not_keep_the_gateway_from_stopping() {
    let gateway = Gateway::start().await;
    no_answer(gateway.authorise("op-1", "pay_1", "tok_ok-authorise-hang-1")).await;
    assert!(!gateway.knows("op-1").await);
    assert_eq!(answer(gateway.authorise("op-1", "pay_1", "tok_ok-authorise-hang-1")).await.0, 201);
    gateway.misbehave(json!({ "on": "void", "do": "hang", "times": 1 })).await;
    let waiting = tokio::spawn(gateway.change("void", "op-2", "pay_1").send());
    eventually("it has arrived, and used the rule up", || async {
        let (_, rules) = gateway.control(reqwest::Method::GET, "misbehaviours", &json!(null)).await;
        rules["data"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
    assert_eq!(gateway.get("/v1/authorizations/pay_1").await.1["state"], "authorised");
    gateway.end().await;
    assert!(waiting.await.unwrap().is_err(), "it ends with the process");
}

#[tokio::test]
async fn questions_fail_like_operations() {
    let gateway = Gateway::start().await;
    answer(gateway.authorise("op-1", "pay_1", "tok_ok-query-error_after-2")).await;
    assert_eq!(gateway.get("/v1/operations/op-1").await.0, 500);
    assert_eq!(gateway.get("/v1/authorizations/pay_1").await.0, 500);
    assert_eq!(gateway.get("/v1/operations/op-1").await.0, 200);
    gateway.misbehave(json!({ "on": "query", "do": "no_answer", "times": 1 })).await;
    assert!(gateway.request(reqwest::Method::GET, "/v1/operations/op-9").send().await.is_err());
    gateway.misbehave(json!({ "on": "ledger", "do": "error_before", "times": 1 })).await;
    assert_eq!(gateway.get("/v1/ledger").await.0, 500);
    assert_eq!(gateway.get("/v1/ledger").await.0, 200);
    gateway.misbehave(json!({ "on": "ledger", "do": "hang", "times": 1 })).await;
    no_answer(gateway.request(reqwest::Method::GET, "/v1/ledger")).await;
    gateway.end().await;
}
