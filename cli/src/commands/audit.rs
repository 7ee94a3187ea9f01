//! `pannier audit`: who of operations did what, over all three services, newest first.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::orders::check_id;
use crate::client::{Answers, Client};
use crate::failure::Failure;
use crate::table::{Output, rows, table};
use pannier_client::Service;

/// Which rows.
#[derive(Debug, Args)]
pub struct Audit {
    /// Only what this caller did, as in `ops:cli`.
    #[arg(long)]
    actor: Option<String>,
    /// Only what was done to this: `ord_…`, `del_…`, an alarm's id.
    #[arg(long)]
    id: Option<String>,
    /// Most rows of each service.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// Prints the rows.
///
/// # Errors
/// A service is not reachable.
pub async fn run(client: &Client, what: Audit, output: Output) -> Result<()> {
    let mut query = Vec::new();
    if let Some(id) = &what.id {
        check_id(id)?;
        query.push(format!("id={id}"));
    }
    if let Some(actor) = &what.actor {
        let is_plain = actor.chars().all(|c| c.is_ascii_alphanumeric() || "_-:.@".contains(c));
        if !is_plain {
            return Err(Failure::usage(format!("{actor:?} is no caller")));
        }
        query.push(format!("actor={actor}"));
    }
    let path = &format!("/v1/ops/audit?{}", query.join("&"));
    let asked = Service::ALL.map(|service| async move {
        (service, client.list(service, path, what.limit).await.map(|rows| json!({ "data": rows })))
    });
    let all = Answers::of(futures::future::join_all(asked).await);
    let mut records = all.records();
    records.sort_by_key(|record: &Value| std::cmp::Reverse(record["at"].as_str().map(str::to_owned)));
    all.print(output, &records, |records| {
        if records.is_empty() {
            return "nobody did anything".to_owned();
        }
        let fields = ["/at", "/service", "/actor", "/address", "/action", "/before", "/after", "/reason"];
        table(&["AT", "SERVICE", "WHO", "FROM", "WHAT", "BEFORE", "AFTER", "WHY"], &rows(records, &fields))
    })
}
