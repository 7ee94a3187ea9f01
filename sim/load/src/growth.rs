//! Growth: does the cost of an order rise with the load, or with the number of finished orders?

use std::time::Duration;

use anyhow::{Context as _, Result};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use serde::Serialize;
use tokio::time::Instant;

use super::bench::Bench;
use super::stats::median;
use super::step::{LoadStep, Offered};
use super::system::SystemUnderTest;

/// The base load, orders a second, where the platform sustains four times as much.
const BASE: f64 = 5.0;
/// Repetitions of each load.
const ROUNDS: usize = 3;
/// Finished orders per batch.
const BATCH: u64 = 50_000;

/// CPU-ms of all servers per order, relative to the base load over empty tables.
#[derive(Debug, Clone, Serialize)]
pub struct Growth {
    /// Twice the load and the riders.
    pub load_x2: Option<f64>,
    /// Four times the load and the riders.
    pub load_x4: Option<f64>,
    /// The base load over tables with 1,000,000 finished orders.
    pub history_1m: Option<f64>,
    /// The measurements behind the figures.
    #[serde(skip)]
    pub details: Details,
}

/// The measurements behind [`Growth`].
#[derive(Debug, Clone, Default, Serialize)]
pub struct Details {
    /// The base load, orders a second.
    pub base_rate: f64,
    /// Finished orders in the tables at the end.
    pub history: u64,
    /// Median CPU-ms per order at the base load, twice and four times that, and at the base load over the history.
    pub cpu_ms: [Option<f64>; 4],
    /// All load steps in order.
    #[serde(rename = "rungs")]
    pub steps: Vec<LoadStep>,
}

/// The base load for a platform that sustains `highest` orders a second.
#[must_use]
pub fn base_for(highest: Option<f64>) -> f64 {
    highest.map_or(BASE, |highest| BASE.min(highest / 4.0))
}

/// Measures growth with the load, then with `history` finished orders. A load that is not sustained gives no figure, because
/// orders in a backlog are not finished.
///
/// # Errors
/// The platform or a meter is unavailable, or the history cannot be written.
pub async fn measure(bench: &mut Bench<'_>, base: f64, window: Duration, history: u64) -> Result<Growth> {
    let mut details = Details { base_rate: base, history, ..Details::default() };
    let mut cpu: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        for (n, times) in [1.0, 2.0, 4.0].into_iter().enumerate() {
            cpu[n].extend(play(bench, Offered::compared(base * times, window), &mut details.steps).await?);
        }
    }
    if history > 0 {
        write_history(bench.system, history, BATCH).await?;
        bench.wait_until_idle().await?;
        for _ in 0..ROUNDS {
            cpu[3].extend(play(bench, Offered::compared(base, window), &mut details.steps).await?);
        }
    }
    details.cpu_ms = cpu.map(median);
    let [one, two, four, over_history] = details.cpu_ms;
    let over_base = |cpu: Option<f64>| Some(cpu? / one?);
    Ok(Growth { load_x2: over_base(two), load_x4: over_base(four), history_1m: over_base(over_history), details })
}

/// CPU-ms of all servers per order; none when the load was not sustained.
async fn play(bench: &mut Bench<'_>, offered: Offered, steps: &mut Vec<LoadStep>) -> Result<Option<f64>> {
    let step = bench.play(offered).await?;
    bench.system.log(&step.line());
    let cpu_ms = step.held.then(|| step.costs.servers_cpu_ms());
    steps.push(step);
    Ok(cpu_ms)
}

/// Writes finished orders of the last day into all three schemas, in batches.
///
/// # Errors
/// The database is unavailable, or its schema differs from `history.sql`.
pub async fn write_history(system: &SystemUnderTest, orders: u64, batch: u64) -> Result<()> {
    let mut database = AsyncPgConnection::establish(&system.database_url).await?;
    let base_ms = (chrono::Utc::now() - chrono::TimeDelta::hours(24)).timestamp_millis();
    let (began, mut written) = (Instant::now(), 0);
    while written < orders {
        let to = (written + batch).min(orders);
        let sql = include_str!("history.sql").replace(":from", &written.to_string()).replace(":to", &to.to_string());
        let sql = sql.replace(":all", &orders.to_string()).replace(":base_ms", &base_ms.to_string());
        tokio::select! {
            () = system.stop.cancelled() => anyhow::bail!("stopped"),
            done = database.batch_execute(&sql) => done.context("history.sql does not fit the tables")?,
        }
        written = to;
        system.log(&format!("{written} of {orders} finished orders written, {:.0} s", began.elapsed().as_secs_f64()));
    }
    system.log("updating PostgreSQL's statistics");
    Ok(database.batch_execute("VACUUM ANALYZE").await?)
}
