//! Asks the operations APIs of a platform: all three services, the same way, and says which of them did not answer.

use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;
use pannier_client::{Api, Call, CallError, Caller, Role, Service, Target};
use pannier_devenv::ui;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::table::{Output, json as pretty};

/// A person waits: one try, this long.
const TIMEOUT: Duration = Duration::from_secs(6);

/// The operations API of a platform.
pub struct Client(Caller);

/// The answers of all services, and why the others gave none.
pub struct Answers {
    /// By service.
    pub answers: Vec<(Service, Value)>,
    /// A sentence each: not reachable, or refused.
    pub failures: Vec<(Service, String)>,
    /// Services that have nothing of what was asked for.
    pub missing: Vec<Service>,
    /// Whether one of the failures is that a service did not answer; otherwise it refused.
    is_unreachable: bool,
}

impl Client {
    /// Of this platform.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(target: Target) -> Result<Self> {
        Ok(Self(Api::new(target, None, CancellationToken::new())?.caller(Role::Ops, "cli")))
    }

    /// `GET` from one service.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] when it does not answer or is unable to, [`Failure::NotFound`], or what it refused.
    pub async fn get(&self, service: Service, path: &str) -> Result<Value> {
        self.send(service, Call::get(service, path)).await
    }

    /// `POST` of an empty object, with a new idempotency key.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, service: Service, path: &str) -> Result<Value> {
        self.post_with(service, path, &json!({})).await
    }

    /// `POST` of this body, with a new idempotency key.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post_with(&self, service: Service, path: &str, body: &Value) -> Result<Value> {
        self.send(service, Call::post(service, path).body(body.clone())).await
    }

    /// `GET` of the same path from all services at once.
    pub async fn get_all(&self, path: &str) -> Answers {
        let asked = join_all(Service::ALL.map(|service| async move { (service, self.get(service, path).await) })).await;
        Answers::of(asked)
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

    /// Where a service answers.
    pub fn url(&self, service: Service) -> &str {
        self.0.api().target().url(service)
    }

    async fn send(&self, service: Service, call: Call) -> Result<Value> {
        let name = service.name();
        match self.0.send(call.patience(Duration::ZERO).timeout(TIMEOUT)).await {
            Ok(answer) => Ok(answer),
            Err(CallError::Refused(problem)) if problem.status == 404 => {
                Err(Failure::NotFound(problem.detail.clone()).into())
            }
            Err(CallError::Refused(problem)) if problem.status >= 500 => {
                Err(Failure::unreachable(format!("{name}: {problem}")))
            }
            Err(CallError::Refused(problem)) => anyhow::bail!("{name}: {problem}"),
            Err(CallError::InvalidAnswer(why)) => anyhow::bail!("{name}: {why}"),
            Err(CallError::Unavailable(why)) => {
                Err(Failure::unreachable(format!("{name} does not answer at {} ({why})", self.url(service))))
            }
            Err(CallError::Stopped) => {
                Err(Failure::unreachable(format!("{name} does not answer at {}", self.url(service))))
            }
        }
    }
}

impl Answers {
    /// Sorts answers from failures.
    pub fn of(asked: impl IntoIterator<Item = (Service, Result<Value>)>) -> Self {
        let mut all = Self { answers: Vec::new(), failures: Vec::new(), missing: Vec::new(), is_unreachable: false };
        for (service, answer) in asked {
            match answer {
                Ok(answer) => all.answers.push((service, answer)),
                Err(error) if matches!(error.downcast_ref(), Some(Failure::NotFound(_))) => all.missing.push(service),
                Err(error) => {
                    all.is_unreachable |= matches!(error.downcast_ref(), Some(Failure::Unreachable(_)));
                    all.failures.push((service, format!("{error:#}")));
                }
            }
        }
        all
    }

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

    /// Prints records, then which services are missing among them.
    ///
    /// # Errors
    /// Status 3 when a service did not answer, status 1 when it refused.
    pub fn print(&self, output: Output, records: &[Value], as_table: impl Fn(&[Value]) -> String) -> Result<()> {
        match output {
            Output::Json => {
                let failures =
                    self.failures.iter().map(|(service, why)| (service.name().to_owned(), why.clone().into()));
                let unreachable: Map<String, Value> = failures.collect();
                ui::answer(&pretty(&json!({ "data": records, "unreachable": unreachable })));
            }
            Output::Table => {
                ui::answer(&as_table(records));
                for (_, why) in &self.failures {
                    ui::error(why);
                }
            }
        }
        match (self.failures.is_empty(), self.is_unreachable) {
            (true, _) => Ok(()),
            (false, true) => Err(Failure::Silent(3).into()),
            (false, false) => Err(Failure::Silent(1).into()),
        }
    }
}
