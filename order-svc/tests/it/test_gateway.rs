//! The test gateway, which misbehaves as its payment method says.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use pannier_gateway::Settings;
use pannier_testkit::http_client;
use serde_json::Value;

/// The key of the payment API.
pub const API_KEY: &str = "key";

/// A gateway that runs until the process of the test ends.
pub struct TestGateway {
    pub url: String,
    folder: PathBuf,
}

impl TestGateway {
    pub fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("pannier-money-{name}-{}", std::process::id()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let late = Duration::from_millis(6_000);
        let settings = Settings { late, ..Settings::new(folder.clone(), API_KEY, "control") };
        tokio::spawn(async move { pannier_gateway::run(listener, &settings, std::future::pending()).await });
        Self { url, folder }
    }

    /// Its ledger, by key: kind and amount.
    pub async fn ledger(&self) -> Vec<(String, String, i64)> {
        let answer = http_client().get(format!("{}/v1/ledger", self.url)).bearer_auth(API_KEY).send().await.unwrap();
        let ledger: Value = answer.json().await.unwrap();
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
        let entries = ledger["data"].as_array().unwrap().iter();
        let entries = entries.map(|e| (text(e, "operation_key"), text(e, "kind"), e["amount"].as_i64().unwrap()));
        let mut entries: Vec<_> = entries.collect();
        entries.sort();
        entries
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
