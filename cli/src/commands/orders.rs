//! `pannier orders`: lists, shows and explains orders.

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::table::{Output, cell, json as pretty, rows, table};
use pannier_client::Service;
use pannier_devenv::ui;

/// Dispatch rounds that are printed at most, the oldest first.
const ROUNDS: usize = 200;

/// Commands on orders.
#[derive(Debug, Subcommand)]
pub enum Orders {
    /// Orders, newest first.
    List {
        /// Only those in this state.
        #[arg(long)]
        state: Option<String>,
        /// Only open ones.
        #[arg(long)]
        open: bool,
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Shows one order with its timeline and its dispatch rounds.
    Show {
        /// Its id, `ord_…`.
        id: String,
    },
    /// Lists what is stuck in any of the three services: alarms, overdue timers, unpublished events, dead letters.
    Stuck,
}

/// Runs the command.
///
/// # Errors
/// A service is not reachable, or there is no such order.
pub async fn run(client: &Client, what: Orders, output: Output) -> Result<()> {
    match what {
        Orders::List { state, open, limit } => list(client, state, open, limit, output).await,
        Orders::Show { id } => show(client, &id, output).await,
        Orders::Stuck => stuck(client, output).await,
    }
}

async fn list(client: &Client, state: Option<String>, open: bool, limit: usize, output: Output) -> Result<()> {
    if let Some(state) = &state
        && !state.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    {
        return Err(Failure::usage(format!("{state:?} is not a state of an order")));
    }
    let filter = state.map(|state| format!("&state={state}")).unwrap_or_default();
    let orders = client.list(Service::Order, &format!("/v1/ops/orders?open={open}{filter}"), limit).await?;
    ui::answer(&match output {
        Output::Json => pretty(&json!({ "data": orders })),
        Output::Table => table(
            &["ORDER", "STATE", "SHOP", "TOTAL", "PLACED", "TICKET", "DELIVERY"],
            &rows(
                &orders,
                &["/id", "/state", "/merchant_name", "/total", "/placed_at", "/ticket/state", "/delivery/state"],
            ),
        ),
    });
    Ok(())
}

async fn show(client: &Client, id: &str, output: Output) -> Result<()> {
    check_id(id)?;
    let order = client.get(Service::Order, &format!("/v1/ops/orders/{id}")).await?;
    if output == Output::Json {
        ui::answer(&pretty(&order));
        return Ok(());
    }
    let facts: Vec<Vec<String>> =
        ["id", "state", "merchant_name", "total", "placed_at", "ready_at", "promise_at", "reason"]
            .iter()
            .map(|field| vec![(*field).to_owned(), cell(&order[*field])])
            .chain(
                ["payment", "ticket", "delivery"].iter().map(|of| vec![(*of).to_owned(), cell(&order[*of]["state"])]),
            )
            .collect();
    let events: Vec<Value> = order["events"].as_array().cloned().unwrap_or_default();
    let timeline = table(
        &["VERSION", "AT", "EVENT", "STATE", "BY"],
        &rows(&events, &["/version", "/occurred_at", "/type", "/state", "/actor"]),
    );
    let why = why(client, &order).await;
    ui::answer(&format!("{}\n\n{timeline}{why}", table(&["FIELD", "VALUE"], &facts)));
    Ok(())
}

/// The dispatch rounds of its delivery in sentences; empty when it has no delivery.
async fn why(client: &Client, order: &Value) -> String {
    let Some(id) = order["delivery"]["id"].as_str().filter(|id| check_id(id).is_ok()) else { return String::new() };
    match client.list(Service::Dispatch, &format!("/v1/ops/deliveries/{id}/rounds"), ROUNDS).await {
        Ok(rounds) => rounds.iter().map(sentences).collect(),
        // The order is printed also when its rounds cannot be read.
        Err(error) => format!("\n\nthe dispatch rounds cannot be read: {error:#}"),
    }
}

fn sentences(round: &Value) -> String {
    let lines = round["sentences"].as_array().into_iter().flatten().map(|s| format!("\n  {}", cell(s)));
    format!("\n\n{} {}{}", cell(&round["at"]), cell(&round["outcome"]), lines.collect::<String>())
}

async fn stuck(client: &Client, output: Output) -> Result<()> {
    let all = client.get_all("/v1/ops/stuck").await;
    let records = all.records();
    all.print(output, &records, |records| {
        if records.is_empty() {
            return "nothing is stuck".to_owned();
        }
        table(
            &["SERVICE", "KIND", "AGGREGATE", "ID", "SINCE", "DETAIL"],
            &rows(records, &["/service", "/kind", "/aggregate", "/id", "/since", "/detail"]),
        )
    })
}

/// Ids go into a path, so only what an id can hold goes through.
pub fn check_id(id: &str) -> Result<()> {
    if !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return Ok(());
    }
    Err(Failure::usage(format!("{id:?} is not an id")))
}
