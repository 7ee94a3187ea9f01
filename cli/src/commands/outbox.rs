//! `pannier outbox lag`: how far each service's relay is behind its event log.

use anyhow::Result;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::Client;
use crate::table::{Output, rows, table};

/// Commands on outboxes.
#[derive(Debug, Subcommand)]
pub enum Outbox {
    /// How far each service's relay is behind.
    Lag,
}

/// Runs the command.
///
/// # Errors
/// A service is not reachable.
pub async fn run(client: &Client, Outbox::Lag: Outbox, output: Output) -> Result<()> {
    let all = client.get_all("/v1/ops/outbox").await;
    let now = Utc::now();
    let records: Vec<Value> = all
        .answers
        .iter()
        .map(|(service, outbox)| {
            let mut record = outbox.clone();
            record["service"] = service.name().into();
            record["lag_ms"] = json!(lag_ms(outbox, now));
            record["set_aside_count"] = json!(outbox["set_aside"].as_array().map_or(0, Vec::len));
            record
        })
        .collect();
    all.print(output, &records, |records| {
        table(
            &["SERVICE", "UNPUBLISHED", "LAG MS", "BLOCKED", "SET ASIDE", "POSITION"],
            &rows(records, &["/service", "/unpublished", "/lag_ms", "/blocked", "/set_aside_count", "/last_position"]),
        )
    })
}

fn lag_ms(outbox: &Value, now: DateTime<Utc>) -> i64 {
    let oldest = outbox["oldest_unpublished_at"].as_str().and_then(|at| at.parse::<DateTime<Utc>>().ok());
    oldest.map_or(0, |oldest| (now - oldest).num_milliseconds().max(0))
}
