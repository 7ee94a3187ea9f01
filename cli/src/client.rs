//! Asks the running platform: all three services, the same way, and says which of them did not answer.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::join_all;
use pannier_platform::auth::{Role, Signer};
use reqwest::Method;
use serde_json::Value;

use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::table::{Output, json};
use crate::ui;

/// One of the three services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Orders and money.
    Order,
    /// Shops and tickets.
    Merchant,
    /// Riders and deliveries.
    Dispatch,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Order, Self::Merchant, Self::Dispatch];

    /// Its process, program and log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Order => "order-svc",
            Self::Merchant => "merchant-svc",
            Self::Dispatch => "dispatch-svc",
        }
    }

    /// What its settings begin with in the environment.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Order => "ORDER",
            Self::Merchant => "MERCHANT",
            Self::Dispatch => "DISPATCH",
        }
    }
}

/// The operations API of a running platform.
pub struct Client {
    http: reqwest::Client,
    urls: Vec<(Service, String)>,
    signer: Signer,
}

/// What the services said, and which of them said nothing.
pub struct Answers {
    /// By service.
    pub answers: Vec<(Service, Value)>,
    /// No answer, or a problem: a sentence each.
    pub silent: Vec<(Service, String)>,
}

impl Client {
    /// Of the platform that runs in a data folder.
    ///
    /// # Errors
    /// Nothing runs there.
    pub fn of(data_dir: &Path) -> Result<Self> {
        let data = DataDir::at(data_dir);
        let state = data.state();
        if !state.up.as_ref().is_some_and(crate::process::ProcessId::is_alive) {
            return Err(Failure::unreachable(format!(
                "nothing runs in {}: start it with `./pannier up`",
                data.root().display()
            )));
        }
        let url = |service: Service| Some((service, state.urls.get(service.name())?.clone()));
        let urls: Vec<_> = Service::ALL.into_iter().filter_map(url).collect();
        if urls.len() < Service::ALL.len() {
            return Err(Failure::unreachable("the platform is still starting".to_owned()));
        }
        Self::new(urls, Signer::load_or_create(&data.path("keys"))?)
    }

    /// With URLs and a signer.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(urls: Vec<(Service, String)>, signer: Signer) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(6)).build()?;
        Ok(Self { http, urls, signer })
    }

    /// `GET` from one service.
    ///
    /// # Errors
    /// It does not answer ([`Failure::Unreachable`]), or answers with a problem.
    pub async fn get(&self, service: Service, path: &str) -> Result<Value> {
        self.call(service, Method::GET, path).await
    }

    /// `POST` of nothing, with a new idempotency key.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, service: Service, path: &str) -> Result<Value> {
        self.call(service, Method::POST, path).await
    }

    /// `GET` of the same path from all services at once.
    pub async fn get_all(&self, path: &str) -> Answers {
        let asked = join_all(Service::ALL.map(|service| async move { (service, self.get(service, path).await) })).await;
        let mut all = Answers { answers: Vec::new(), silent: Vec::new() };
        for (service, answer) in asked {
            match answer {
                Ok(answer) => all.answers.push((service, answer)),
                Err(error) => all.silent.push((service, format!("{error:#}"))),
            }
        }
        all
    }

    /// All records of a list, page by page, at most `limit`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn list(&self, service: Service, path: &str, limit: usize) -> Result<Vec<Value>> {
        let mut records = Vec::new();
        let mut cursor: Option<String> = None;
        let joiner = if path.contains('?') { '&' } else { '?' };
        while records.len() < limit {
            let page_size = (limit - records.len()).min(100);
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = self.get(service, &format!("{path}{joiner}limit={page_size}{after}")).await?;
            records.extend(page["data"].as_array().cloned().unwrap_or_default());
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        Ok(records)
    }

    async fn call(&self, service: Service, method: Method, path: &str) -> Result<Value> {
        let url = &self.urls.iter().find(|(s, _)| *s == service).context("no such service")?.1;
        let token = self.signer.mint(Role::Ops, "cli", Duration::from_secs(60))?;
        let mut request = self.http.request(method.clone(), format!("{url}{path}")).bearer_auth(token);
        if method == Method::POST {
            let key = uuid::Uuid::now_v7().to_string();
            request = request.header("Idempotency-Key", key).json(&serde_json::json!({}));
        }
        let silent = |_| Failure::unreachable(format!("{} does not answer at {url}", service.name()));
        let response = request.send().await.map_err(silent)?;
        let status = response.status();
        let body: Value = response.json().await.map_err(silent)?;
        if status.is_success() {
            return Ok(body);
        }
        let said = body["detail"].as_str().or_else(|| body["title"].as_str()).unwrap_or("no reason given");
        if status.is_server_error() {
            return Err(Failure::unreachable(format!("{}: {said}", service.name())));
        }
        if status == reqwest::StatusCode::NOT_FOUND {
            return Err(Failure::NotFound(said.to_owned()).into());
        }
        anyhow::bail!("{}: {said}", service.name())
    }
}

impl Answers {
    /// The records of all lists, each with the service it is from.
    pub fn records(&self) -> Vec<Value> {
        let mut records = Vec::new();
        for (service, list) in &self.answers {
            for record in list["data"].as_array().into_iter().flatten() {
                let mut record = record.clone();
                record["service"] = service.name().into();
                records.push(record);
            }
        }
        records
    }

    /// Prints records, then who said nothing.
    ///
    /// # Errors
    /// Somebody said nothing: status 3.
    pub fn print(&self, output: Output, records: &[Value], as_table: impl Fn(&[Value]) -> String) -> Result<()> {
        let silent: serde_json::Map<String, Value> =
            self.silent.iter().map(|(service, why)| (service.name().to_owned(), why.clone().into())).collect();
        match output {
            Output::Json => {
                let document = serde_json::json!({ "data": records, "unreachable": silent });
                ui::answer(&json(&document));
            }
            Output::Table => {
                ui::answer(&as_table(records));
                for (_, why) in &self.silent {
                    ui::error(why);
                }
            }
        }
        if self.silent.is_empty() { Ok(()) } else { Err(Failure::Silent(3).into()) }
    }
}
