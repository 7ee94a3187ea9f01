//! Does an order cost more when there are more of them, or when there were many before?

use std::time::Duration;

use anyhow::{Context as _, Result};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use serde::Serialize;
use tokio::time::Instant;

use super::Stage;
use super::lives::{Bench, Offered, Rung};
use super::stats::median;

/// The load that is doubled, orders a second, where the platform holds four times as much.
const BASE: f64 = 5.0;
/// How often each load is measured.
const ROUNDS: usize = 3;
/// Finished orders that are written in one go.
const SLICE: u64 = 50_000;

/// CPU-ms of all servers per order, relative to the base load over empty tables.
#[derive(Debug, Clone, Serialize)]
pub struct Growth {
    /// Twice the load and the riders.
    pub load_x2: Option<f64>,
    /// Four times the load and the riders.
    pub load_x4: Option<f64>,
    /// The base load over tables with 1,000,000 finished orders.
    pub history_1m: Option<f64>,
    /// How it was measured.
    #[serde(skip)]
    pub details: Details,
}

/// How growth was measured.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Details {
    /// Orders a second.
    pub base_rate: f64,
    /// Finished orders in the tables at the end.
    pub history: u64,
    /// Medians at the base load, twice and four times that, and at the base load over the history.
    pub cpu_ms: [Option<f64>; 4],
    /// Every rung, in order.
    pub rungs: Vec<Rung>,
}

/// The base load for a platform that holds `highest` orders a second.
#[must_use]
pub fn base_for(highest: Option<f64>) -> f64 {
    highest.map_or(BASE, |highest| BASE.min(highest / 4.0))
}

/// Measures. A load that does not hold gives no figure: a backlog costs nothing and says nothing.
///
/// # Errors
/// The platform or a meter is gone, or the history cannot be written.
pub async fn measure(bench: &mut Bench<'_>, base: f64, window: Duration, history: u64) -> Result<Growth> {
    let mut details = Details { base_rate: base, history, ..Details::default() };
    let mut cpu: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        for (n, times) in [1.0, 2.0, 4.0].into_iter().enumerate() {
            cpu[n].extend(one(bench, Offered::compared(base * times, window), &mut details.rungs).await?);
        }
    }
    if history > 0 {
        write_history(bench.stage, history, SLICE).await?;
        bench.rest().await?;
        for _ in 0..ROUNDS {
            cpu[3].extend(one(bench, Offered::compared(base, window), &mut details.rungs).await?);
        }
    }
    details.cpu_ms = cpu.map(median);
    let [one, two, four, over_history] = details.cpu_ms;
    let over_base = |cpu: Option<f64>| Some(cpu? / one?);
    Ok(Growth { load_x2: over_base(two), load_x4: over_base(four), history_1m: over_base(over_history), details })
}

async fn one(bench: &mut Bench<'_>, offered: Offered, rungs: &mut Vec<Rung>) -> Result<Option<f64>> {
    let rung = bench.rung(offered).await?;
    bench.stage.say(&rung.line());
    let cpu_ms = rung.held.then(|| rung.costs.servers_cpu_ms());
    rungs.push(rung);
    Ok(cpu_ms)
}

/// Writes finished orders into all three schemas, as if the platform had had a busy day, so many in one go.
///
/// # Errors
/// The database is away, or its tables are others than `history.sql` knows.
pub async fn write_history(stage: &Stage, orders: u64, slice: u64) -> Result<()> {
    let mut database = AsyncPgConnection::establish(&stage.database_url).await?;
    let base_ms = (chrono::Utc::now() - chrono::TimeDelta::hours(24)).timestamp_millis();
    let (began, mut written) = (Instant::now(), 0);
    while written < orders {
        let to = (written + slice).min(orders);
        let sql = include_str!("history.sql").replace(":from", &written.to_string()).replace(":to", &to.to_string());
        let sql = sql.replace(":all", &orders.to_string()).replace(":base_ms", &base_ms.to_string());
        tokio::select! {
            () = stage.stop.cancelled() => anyhow::bail!("stopped"),
            done = database.batch_execute(&sql) => done.context("history.sql does not fit the tables")?,
        }
        written = to;
        stage.say(&format!("{written} of {orders} finished orders written, {:.0} s", began.elapsed().as_secs_f64()));
    }
    stage.say("telling PostgreSQL's planner about them");
    Ok(database.batch_execute("VACUUM ANALYZE").await?)
}
