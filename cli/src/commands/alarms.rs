//! `pannier alarms`: what asks for a person, over all three services, the worst first.

use std::time::Duration;

use anyhow::Result;
use chrono::{TimeDelta, Utc};
use clap::Subcommand;
use serde_json::{Value, json};

use super::orders::check_id;
use super::token::parse_ttl;
use crate::client::{Answers, Client};
use crate::failure::Failure;
use crate::table::{Output, json as pretty, rows, table};
use pannier_client::Service;
use pannier_devenv::ui;

/// Most alarms of one service in a list.
const MOST: usize = 10_000;

/// Commands on alarms.
#[derive(Debug, Subcommand)]
pub enum Alarms {
    /// Lists the open ones, the worst first, and of these the newest.
    List {
        /// Also those that are over.
        #[arg(long)]
        all: bool,
    },
    /// Shows one.
    Show {
        /// Its id.
        id: String,
    },
    /// Says that somebody looks at it.
    Ack {
        /// Its id.
        id: String,
        /// What you found.
        #[arg(long)]
        note: Option<String>,
    },
    /// Hides it for a time; it is open all the same.
    Snooze {
        /// Its id.
        id: String,
        /// For how long: 30m, 2h, 1d.
        #[arg(long = "for", value_name = "TIME", value_parser = parse_ttl)]
        time: Duration,
        /// Why.
        #[arg(long)]
        note: Option<String>,
    },
    /// Ends it. One whose cause goes on is raised again.
    Resolve {
        /// Its id.
        id: String,
        /// What was done.
        #[arg(long)]
        note: String,
    },
}

/// Runs the command.
///
/// # Errors
/// A service is not reachable, or there is no such alarm.
pub async fn run(client: &Client, what: Alarms, output: Output) -> Result<()> {
    match what {
        Alarms::List { all } => list(&of_all(client, all).await, output),
        Alarms::Show { id } => {
            ui::answer(&pretty(&find(client, &id).await?.1));
            Ok(())
        }
        Alarms::Ack { id, note } => act(client, &id, "acknowledge", &json!({ "note": note })).await,
        Alarms::Snooze { id, time, note } => {
            let until = Utc::now() + TimeDelta::from_std(time)?;
            act(client, &id, "snooze", &json!({ "until": until, "note": note })).await
        }
        Alarms::Resolve { id, note } => act(client, &id, "resolve", &json!({ "note": note })).await,
    }
}

async fn of_all(client: &Client, all: bool) -> Answers {
    let asked = Service::ALL.map(|service| async move {
        let alarms = client.list(service, &format!("/v1/ops/alarms?all={all}"), MOST).await;
        (service, alarms.map(|alarms| json!({ "data": alarms })))
    });
    Answers::of(futures::future::join_all(asked).await)
}

fn list(all: &Answers, output: Output) -> Result<()> {
    let mut records = all.records();
    // Each service's list is in this order already; merged, it has to be made again.
    let newest_first = |record: &Value| std::cmp::Reverse(record["last_raised_at"].as_str().map(str::to_owned));
    records.sort_by_key(|record| (record["severity"] != "page", newest_first(record)));
    all.print(output, &records, |records| {
        if records.is_empty() {
            return "no alarms".to_owned();
        }
        let names = ["ID", "SEVERITY", "KIND", "SERVICE", "OF", "TIMES", "SINCE", "SEEN BY", "UNTIL", "DETAIL"];
        let fields = [
            "/id",
            "/severity",
            "/kind",
            "/service",
            "/aggregate_id",
            "/raised",
            "/raised_at",
            "/acknowledged_by",
            "/snoozed_until",
            "/detail",
        ];
        table(&names, &rows(records, &fields))
    })
}

/// The service that has an alarm, and the alarm.
async fn find(client: &Client, id: &str) -> Result<(Service, Value)> {
    check_id(id)?;
    let all = client.get_all(&format!("/v1/ops/alarms/{id}")).await;
    match (all.answers.into_iter().next(), all.failures.first()) {
        (Some(found), _) => Ok(found),
        (None, Some((_, why))) => Err(Failure::unreachable(format!("no such alarm where we could look; {why}"))),
        (None, None) => Err(Failure::NotFound(format!("there is no alarm {id}")).into()),
    }
}

async fn act(client: &Client, id: &str, action: &str, body: &Value) -> Result<()> {
    let (service, _) = find(client, id).await?;
    let alarm = client.post_with(service, &format!("/v1/ops/alarms/{id}/{action}"), body).await?;
    ui::answer(&pretty(&alarm));
    Ok(())
}
