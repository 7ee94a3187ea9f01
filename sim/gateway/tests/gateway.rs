//! The gateway over HTTP: what an order service may rely on.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use pannier_tls::Tls;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Gateway {
    url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Gateway {
    async fn start(dir: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let dir = dir.to_owned();
        let task = tokio::spawn(async move {
            pannier_gateway::run(listener, &dir, async {
                let _ = stopped.await;
            })
            .await
        });
        Self { url, stop, task }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }

    async fn post(&self, path: &str, key: &str, body: Value) -> (u16, Value) {
        let call = http_client().post(format!("{}{path}", self.url)).header("idempotency-key", key).json(&body);
        let answer = call.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let answer = http_client().get(format!("{}{path}", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn kinds(&self) -> Vec<String> {
        let (_, ledger) = self.get("/v1/ledger").await;
        ledger["data"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect()
    }
}

fn http_client() -> reqwest::Client {
    Tls::default().http().build().unwrap()
}

fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("pannier-gateway-{}", uuid::Uuid::now_v7()))
}

fn authorisation(reference: &str) -> Value {
    json!({ "reference": reference, "amount": 1250, "currency": "EUR", "method": "tok_ok" })
}

#[tokio::test]
async fn the_same_key_is_one_operation() {
    let dir = folder();
    let gateway = Gateway::start(&dir).await;
    let first = gateway.post("/v1/authorizations", "op-1", authorisation("pay_1")).await;
    assert_eq!((first.0, &first.1["state"]), (201, &json!("authorised")));
    assert_eq!(gateway.post("/v1/authorizations", "op-1", authorisation("pay_1")).await, first);
    assert_eq!(gateway.post("/v1/authorizations", "op-1", authorisation("pay_2")).await.0, 422, "another request");
    assert_eq!(gateway.post("/v1/authorizations", "op-2", authorisation("pay_1")).await.0, 409, "held already");

    let capture = gateway.post("/v1/authorizations/pay_1/capture", "op-3", json!({})).await;
    assert_eq!((capture.0, &capture.1["state"]), (200, &json!("captured")));
    assert_eq!(gateway.post("/v1/authorizations/pay_1/capture", "op-3", json!({})).await, capture);
    assert_eq!(gateway.post("/v1/authorizations/pay_1/capture", "op-4", json!({})).await.0, 409, "only once");
    assert_eq!(gateway.post("/v1/authorizations/pay_1/void", "op-5", json!({})).await.0, 409, "taken already");

    let part = gateway.post("/v1/authorizations/pay_1/refund", "op-6", json!({ "amount": 250 })).await;
    assert_eq!((part.0, &part.1["state"]), (200, &json!("partially_refunded")));
    assert_eq!(gateway.post("/v1/authorizations/pay_1/refund", "op-7", json!({ "amount": 1001 })).await.0, 409);
    let rest = gateway.post("/v1/authorizations/pay_1/refund", "op-8", json!({})).await;
    assert_eq!((rest.0, &rest.1["refunded"]), (200, &json!(1250)));
    assert_eq!(gateway.kinds().await, ["authorise", "capture", "refund", "refund"]);
    gateway.stop().await;
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_restart() {
    let dir = folder();
    let gateway = Gateway::start(&dir).await;
    let held = gateway.post("/v1/authorizations", "op-1", authorisation("pay_1")).await;
    let declined = json!({ "reference": "pay_2", "amount": 5, "currency": "EUR", "method": "tok_declined" });
    let refused = gateway.post("/v1/authorizations", "op-2", declined.clone()).await;
    assert_eq!((refused.0, &refused.1["code"]), (402, &json!("card_declined")));
    gateway.stop().await;
    // What a process writes that dies in the middle of a line: never acknowledged, so it must not count.
    let journal = dir.join(pannier_gateway::journal::FILE);
    let mut text = std::fs::read(&journal).unwrap();
    text.extend_from_slice(b"{\"key\":\"op-3\",\"req");
    std::fs::write(&journal, text).unwrap();

    let gateway = Gateway::start(&dir).await;
    assert_eq!(gateway.post("/v1/authorizations", "op-1", authorisation("pay_1")).await, held);
    assert_eq!(gateway.post("/v1/authorizations", "op-2", declined).await, refused);
    assert_eq!(gateway.post("/v1/authorizations/pay_1/void", "op-4", json!({})).await.0, 200);
    assert_eq!(gateway.get("/v1/authorizations/pay_1").await.1["state"], "voided");
    assert_eq!(gateway.kinds().await, ["authorise", "void"]);
    gateway.stop().await;

    let gateway = Gateway::start(&dir).await;
    assert_eq!(gateway.kinds().await, ["authorise", "void"]);
    gateway.stop().await;
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn an_unknown_outcome_can_be_asked_for() {
    let dir = folder();
    let gateway = Gateway::start(&dir).await;
    assert_eq!(gateway.get("/v1/operations/op-1").await.0, 404);
    assert_eq!(gateway.post("/v1/authorizations/pay_1/capture", "op-1", json!({})).await.0, 404);
    assert_eq!(gateway.get("/v1/operations/op-1").await.0, 404, "nothing happened, so the key is still free");
    let held = gateway.post("/v1/authorizations", "op-1", authorisation("pay_1")).await;
    let (status, outcome) = gateway.get("/v1/operations/op-1").await;
    assert_eq!((status, &outcome["status"], &outcome["body"]), (200, &json!(201), &held.1));
    for (key, body) in [
        ("op-2", json!({ "reference": "pay_9", "amount": 0, "currency": "EUR", "method": "tok_ok" })),
        ("op-3", json!({ "reference": "pay_9", "amount": 5, "currency": "eur", "method": "tok_ok" })),
        ("op-4", json!({ "reference": "pay_9", "amount": 5, "currency": "EUR", "method": "tok_x" })),
    ] {
        assert_eq!(gateway.post("/v1/authorizations", key, body).await.0, 422);
    }
    let no_key = http_client().post(format!("{}/v1/authorizations", gateway.url));
    assert_eq!(no_key.json(&authorisation("pay_3")).send().await.unwrap().status(), 400);
    gateway.stop().await;
    std::fs::remove_dir_all(dir).unwrap();
}
