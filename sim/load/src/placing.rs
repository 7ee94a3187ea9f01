//! Placing alone: orders stored per second and their latency, compared with a bare loop of the same inserts.
//!
//! Quotes are made beforehand and not counted. No shop accepts: payment and ticket follow as always, and are part of the
//! load on the machine. Orders stay open and expire after 8 min, so this needs a platform of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::applied;
use super::arrivals::Arrivals;
use super::bare::ScratchDatabase;
use super::bots::{OrderOptions, quote, send_order};
use super::city::{City, Tally};
use super::meters::Meters;
use super::stats::{Percentiles, ms};
use super::system::SystemUnderTest;

/// Numbers of clients in the closed loops.
const CLIENTS: [usize; 3] = [1, 8, 64];
/// Rates of the open loops, orders a second.
const OFFERED: [f64; 2] = [100.0, 200.0];
/// All runs have the same sequence of arrivals.
const SEED: u64 = 1;
/// Quotes in flight at a time.
const CONCURRENCY: usize = 8;
/// Orders of a trial, from which the number of quotes to prepare is estimated.
const TRIAL_ORDERS: usize = 100;

/// Throughput and latency of placing.
#[derive(Debug, Clone, Serialize)]
pub struct Placing {
    /// Of the best closed loop, orders a second.
    pub placed_per_s: f64,
    /// That, relative to the best bare loop.
    pub placed_ratio: f64,
    /// Closed loops, by number of clients.
    pub closed: BTreeMap<usize, Closed>,
    /// Open loops, by ascending rate.
    pub open: Vec<Open>,
    /// Transactions a second of `pgbench` with the same inserts; none when it is not installed.
    pub pgbench_per_s: Option<f64>,
}

/// A closed loop: each client places its next order after the answer to the last one.
#[derive(Debug, Clone, Serialize)]
pub struct Closed {
    /// Orders a second.
    pub placed_per_s: f64,
    /// The bare loop on the same number of connections, orders a second.
    pub bare_per_s: f64,
    /// Latency of one order.
    pub latency: Percentiles,
    /// Refused and unanswered orders.
    pub failed: u64,
    /// Seconds from the last order until payments and tickets had caught up: under load they may fall behind.
    pub caught_up_in_s: f64,
}

/// An open loop: orders arrive at a rate, whether or not earlier ones are answered.
#[derive(Debug, Clone, Serialize)]
pub struct Open {
    /// Offered orders a second.
    pub rate: f64,
    /// From the due time to the answer, failures included.
    pub latency: Percentiles,
    /// Refused and unanswered orders.
    pub failed: u64,
}

/// A quote that is ready to be ordered.
struct Quote {
    /// Index of its customer.
    customer: usize,
    id: String,
}

/// Measures on an idle platform.
///
/// # Errors
/// The platform is unavailable.
pub async fn measure(system: &SystemUnderTest, lasting: Duration) -> Result<Placing> {
    let mut bench = PlacingBench { city: City::set_up(system).await?, meters: Meters::new(system).await?, system };
    let scratch = ScratchDatabase::create(system).await?;
    let mut closed = BTreeMap::new();
    for clients in CLIENTS {
        let mut measured = bench.closed_loop(clients, lasting).await?;
        measured.bare_per_s = scratch.orders_per_s(clients, lasting).await?;
        let Closed { placed_per_s, bare_per_s, latency, failed, caught_up_in_s } = &measured;
        system.log(&format!(
            "{clients} clients: {placed_per_s:.0} orders placed/s (p50 {:.1} p99 {:.1} ms, {failed} failed), caught up \
             {caught_up_in_s:.0} s later; bare loop {bare_per_s:.0}/s",
            latency.p50_ms, latency.p99_ms
        ));
        closed.insert(clients, measured);
    }
    let mut open = Vec::new();
    for rate in OFFERED {
        let measured = bench.open_loop(rate, lasting).await?;
        system.log(&format!(
            "{rate:.0} orders/s offered: p50 {:.1} p99 {:.1} ms, {} failed",
            measured.latency.p50_ms, measured.latency.p99_ms, measured.failed
        ));
        open.push(measured);
    }
    let pgbench_per_s = pgbench(&scratch, lasting).await;
    let best = |of: fn(&Closed) -> f64| closed.values().map(of).fold(0.0, f64::max);
    let (placed_per_s, bare_per_s) = (best(|c| c.placed_per_s), best(|c| c.bare_per_s));
    Ok(Placing { placed_per_s, placed_ratio: placed_per_s / bare_per_s, closed, open, pgbench_per_s })
}

struct PlacingBench<'s> {
    system: &'s SystemUnderTest,
    city: Arc<City>,
    meters: Meters,
}

impl PlacingBench<'_> {
    async fn closed_loop(&mut self, clients: usize, lasting: Duration) -> Result<Closed> {
        let trial = self.quotes(TRIAL_ORDERS).await?;
        let rate = self.run_closed(clients, trial, lasting).await?.placed_per_s;
        let quotes = self.quotes((rate * lasting.as_secs_f64() * 1.5) as usize + clients * 2).await?;
        self.run_closed(clients, quotes, lasting).await
    }

    /// Runs until the time is over or the quotes are used up.
    async fn run_closed(&mut self, clients: usize, quotes: Vec<Quote>, lasting: Duration) -> Result<Closed> {
        let (quotes, next) = (Arc::new(quotes), Arc::new(AtomicUsize::new(0)));
        let began = Instant::now();
        let mut workers = JoinSet::new();
        for _ in 0..clients {
            let (city, quotes, next) = (self.city.clone(), quotes.clone(), next.clone());
            workers.spawn(async move {
                let (mut took, mut failed) = (Vec::new(), 0);
                while began.elapsed() < lasting {
                    let Some(quote) = quotes.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    let (sent, is_placed) = (Instant::now(), place(&city, quote).await);
                    took.push(ms(sent.elapsed()));
                    failed += u64::from(!is_placed);
                }
                (took, failed)
            });
        }
        let (mut took, mut failed) = (Vec::new(), 0);
        while let Some(done) = workers.join_next().await {
            let (client_took, client_failed) = done?;
            took.extend(client_took);
            failed += client_failed;
        }
        let rate = (took.len() as f64 - failed as f64) / began.elapsed().as_secs_f64();
        let caught_up_in_s = self.wait_until_idle().await?;
        Ok(Closed { placed_per_s: rate, bare_per_s: 0.0, latency: Percentiles::of(took), failed, caught_up_in_s })
    }

    async fn open_loop(&mut self, rate: f64, lasting: Duration) -> Result<Open> {
        // The number of Poisson arrivals varies: four standard deviations above its mean are enough.
        let mean = rate * lasting.as_secs_f64();
        let mut quotes = self.quotes((mean + 4.0 * mean.sqrt()) as usize).await?;
        let took = Arc::new(Mutex::new(Vec::new()));
        let mut arrivals = Arrivals::new(rate, lasting, SEED);
        let mut orders = JoinSet::new();
        while let Some(due) = arrivals.next().await {
            let Some(quote) = quotes.pop() else { break };
            let (city, took) = (self.city.clone(), took.clone());
            orders.spawn(async move {
                let is_placed = place(&city, &quote).await;
                Tally::record(&took, ms(due.elapsed()));
                is_placed
            });
        }
        let mut failed = 0;
        while let Some(done) = orders.join_next().await {
            failed += u64::from(!done?);
        }
        self.wait_until_idle().await?;
        Ok(Open { rate, latency: Percentiles::of(Tally::take(&took)), failed })
    }

    async fn quotes(&self, wanted: usize) -> Result<Vec<Quote>> {
        self.system.log(&format!("asking {wanted} prices"));
        let city = &self.city;
        let asked = (0..wanted).map(|n| async move {
            let (customer, shop) = (n % city.customers.len(), &city.shops[n % city.shops.len()]);
            Some(Quote { customer, id: quote(city, &city.customers[customer], shop).await? })
        });
        let quotes: Vec<_> = futures::stream::iter(asked).buffer_unordered(CONCURRENCY).collect().await;
        quotes.into_iter().collect::<Option<_>>().context("a price was refused")
    }

    /// Waits until payments and tickets have caught up. Returns the seconds that it took.
    async fn wait_until_idle(&mut self) -> Result<f64> {
        let (began, mut before, mut since) = (Instant::now(), -1, Instant::now());
        loop {
            let now = applied::events_written(self.meters.database()).await?;
            if now != before {
                (before, since) = (now, Instant::now());
            }
            // PostgreSQL updates its statistics with a delay of a second.
            if since.elapsed() > Duration::from_millis(1_500) {
                return Ok((since - began).as_secs_f64());
            }
            if began.elapsed() > Duration::from_secs(90) {
                self.system.log("the platform is still busy with what was placed before");
                return Ok(began.elapsed().as_secs_f64());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

async fn place(city: &City, quote: &Quote) -> bool {
    let answer = send_order(city, &city.customers[quote.customer], &quote.id, OrderOptions::default()).await;
    answer.is_ok_and(|answer| answer.is_success())
}

/// The same inserts by `pgbench`, prepared, on eight connections; none when it is not installed or fails.
async fn pgbench(scratch: &ScratchDatabase, lasting: Duration) -> Option<f64> {
    let script = std::env::temp_dir().join(format!("pannier-pgbench-{}.sql", std::process::id()));
    std::fs::write(&script, include_str!("pgbench.sql")).ok()?;
    let seconds = lasting.as_secs().max(1).to_string();
    let out = tokio::process::Command::new("pgbench")
        .args(["--no-vacuum", "--protocol=prepared", "--client=8", "--jobs=2", "--time", &seconds, "--file"])
        .arg(&script)
        .arg(scratch.url())
        .kill_on_drop(true)
        .output()
        .await;
    let _ = std::fs::remove_file(&script);
    let out = out.ok().filter(|out| out.status.success())?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok())
}
