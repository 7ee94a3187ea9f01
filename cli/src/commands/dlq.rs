//! `pannier dlq`: dead letters of all three services: messages that their consumers could not process.

use anyhow::Result;
use clap::Subcommand;
use serde_json::Value;

use super::orders::check_id;
use crate::client::{Answers, Client};
use crate::failure::Failure;
use crate::table::{Output, json as pretty, rows, table};
use pannier_client::Service;
use pannier_devenv::ui;

/// Commands on dead letters.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// Lists all. An obsolete one is older than what its consumer has applied since.
    List,
    /// Shows one with its body.
    Show {
        /// Its id.
        id: String,
    },
    /// Hands one, or all, to their consumers again. Obsolete ones are dropped and reported as such.
    Replay {
        /// Its id.
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// Replays all.
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// Only reports what would happen.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// A service is not reachable, or there is no such letter.
pub async fn run(client: &Client, what: Dlq, output: Output) -> Result<()> {
    let all = letters(client).await;
    match what {
        Dlq::List => list(&all, output),
        Dlq::Show { id } => {
            ui::answer(&pretty(&find(&all, &id)?.1));
            Ok(())
        }
        Dlq::Replay { id, dry_run, .. } => {
            let chosen = match id {
                Some(id) => vec![find(&all, &id)?],
                None => all.answers.iter().flat_map(|(service, list)| of(*service, list)).collect(),
            };
            replay(client, &all, chosen, dry_run, output).await
        }
    }
}

async fn letters(client: &Client) -> Answers {
    let letters = Service::ALL.map(|service| async move {
        let letters = client.list(service, "/v1/ops/dead-letters", 10_000).await;
        (service, letters.map(|letters| serde_json::json!({ "data": letters })))
    });
    Answers::of(futures::future::join_all(letters).await)
}

fn of(service: Service, list: &Value) -> Vec<(Service, Value)> {
    list["data"].as_array().into_iter().flatten().map(|letter| (service, letter.clone())).collect()
}

fn list(all: &Answers, output: Output) -> Result<()> {
    all.print(output, &all.records(), |records| {
        if records.is_empty() {
            return "no dead letters".to_owned();
        }
        table(
            &["ID", "SERVICE", "QUEUE", "EVENT", "OF", "VERSION", "OBSOLETE", "DIED", "REASON"],
            &rows(
                records,
                &[
                    "/id",
                    "/service",
                    "/queue",
                    "/type",
                    "/aggregate_id",
                    "/version",
                    "/obsolete",
                    "/died_at",
                    "/reason",
                ],
            ),
        )
    })
}

fn find(all: &Answers, id: &str) -> Result<(Service, Value)> {
    check_id(id)?;
    let found =
        all.answers.iter().flat_map(|(service, list)| of(*service, list)).find(|(_, letter)| letter["id"] == id);
    match (found, all.failures.first()) {
        (Some(found), _) => Ok(found),
        (None, Some((_, why))) => Err(Failure::unreachable(format!("no such dead letter where we could look; {why}"))),
        (None, None) => Err(Failure::NotFound(format!("there is no dead letter {id}")).into()),
    }
}

async fn replay(
    client: &Client,
    all: &Answers,
    chosen: Vec<(Service, Value)>,
    dry_run: bool,
    output: Output,
) -> Result<()> {
    let mut outcomes = Vec::new();
    let mut failed = false;
    for (service, letter) in chosen {
        let id = letter["id"].as_str().unwrap_or_default();
        let answer = client.post(service, &format!("/v1/ops/dead-letters/{id}/replay?dry_run={dry_run}")).await;
        let outcome = match answer {
            Ok(answer) => answer["outcome"].as_str().unwrap_or("unknown").to_owned(),
            Err(error) => {
                failed = true;
                format!("failed: {error:#}")
            }
        };
        outcomes.push(
            serde_json::json!({ "service": service.name(), "id": id, "type": letter["type"], "outcome": outcome }),
        );
    }
    all.print(output, &outcomes, |records| {
        if records.is_empty() {
            return "no dead letters".to_owned();
        }
        table(&["ID", "SERVICE", "EVENT", "OUTCOME"], &rows(records, &["/id", "/service", "/type", "/outcome"]))
    })?;
    if failed { Err(Failure::Silent(1).into()) } else { Ok(()) }
}
