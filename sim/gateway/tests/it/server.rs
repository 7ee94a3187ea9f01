//! A running gateway with a folder of its own, and a caller.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use pannier_gateway::Settings;
use pannier_testkit::http_client;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const API_KEY: &str = "api-key-of-the-tests";
pub const CONTROL_KEY: &str = "control-key-of-the-tests";
/// How long a caller waits who expects no answer.
pub const IMPATIENT: Duration = Duration::from_millis(300);

pub struct Gateway {
    pub url: String,
    pub settings: Settings,
    http: reqwest::Client,
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

/// A folder that does not exist yet.
pub fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("pannier-gateway-{}", uuid::Uuid::now_v7()))
}

/// An authorisation of 12.50 EUR.
pub fn authorisation(reference: &str, method: &str) -> Value {
    json!({ "reference": reference, "amount": 1250, "currency": "EUR", "method": method })
}

impl Gateway {
    pub async fn start() -> Self {
        Self::start_with(Settings::new(folder(), API_KEY, CONTROL_KEY)).await
    }

    pub async fn start_with(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let own = settings.clone();
        let task = tokio::spawn(async move {
            pannier_gateway::run(listener, &own, async {
                let _ = stopped.await;
            })
            .await
        });
        Self { url, settings, http: http_client(), stop, task }
    }

    /// Stops it and starts it again on the same folder.
    pub async fn restart(self) -> Self {
        let settings = self.settings.clone();
        self.stop().await;
        Self::start_with(settings).await
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }

    /// Stops it and removes its folder.
    pub async fn end(self) {
        let dir = self.settings.data_dir.clone();
        self.stop().await;
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// A request with the API key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(API_KEY)
    }

    /// An operation, to be sent.
    pub fn operation(&self, path: &str, key: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, path).header("idempotency-key", key).json(body)
    }

    /// An authorisation, to be sent.
    pub fn authorise(&self, key: &str, reference: &str, method: &str) -> RequestBuilder {
        self.operation("/v1/authorizations", key, &authorisation(reference, method))
    }

    /// A capture, void or refund, to be sent.
    pub fn change(&self, what: &str, key: &str, reference: &str) -> RequestBuilder {
        self.operation(&format!("/v1/authorizations/{reference}/{what}"), key, &json!({}))
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path)).await
    }

    /// Whether an operation has this key.
    pub async fn knows(&self, key: &str) -> bool {
        match self.get(&format!("/v1/operations/{key}")).await.0 {
            200 => true,
            404 => false,
            status => panic!("{status}"),
        }
    }

    pub async fn control(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.request(method, format!("{}/v1/control/{path}", self.url));
        answer(request.bearer_auth(CONTROL_KEY).json(body)).await
    }

    /// Commands a misbehaviour.
    pub async fn misbehave(&self, rule: Value) {
        assert_eq!(self.control(Method::POST, "misbehaviours", &rule).await, (201, filled(rule)));
    }

    /// The operations in the ledger.
    pub async fn kinds(&self) -> Vec<String> {
        let (_, ledger) = self.get("/v1/ledger").await;
        ledger["data"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect()
    }
}

/// A rule with all its members.
fn filled(rule: Value) -> Value {
    let mut all = json!({ "times": null, "reference": null, "delay_ms": null });
    all.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
    all
}

/// Sends a request and reads the answer; its body is null where there is none.
pub async fn answer(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

/// Sends a request that is not answered as long as the caller waits.
pub async fn no_answer(request: RequestBuilder) {
    let error = request.timeout(IMPATIENT).send().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
}
