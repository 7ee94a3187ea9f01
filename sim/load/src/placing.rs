//! Placing alone: how many orders a second become rows, how long that takes, and how near it is to a bare loop of inserts.
//!
//! Prices are asked beforehand and not counted. Nobody accepts: payment and ticket follow as always, and are part of the
//! load on the machine. Orders stay open and expire after 8 min, so this wants a platform of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::arrivals::Arrivals;
use super::bare::Scratch;
use super::city::{City, Tally};
use super::meters::Meters;
use super::people::{quote, send_order};
use super::stats::{Spread, ms};
use super::{Stage, applied};

/// Clients who place one order after the other.
const CLIENTS: [usize; 3] = [1, 8, 64];
/// Offered rates, orders a second, at which latency is measured.
const OFFERED: [f64; 2] = [100.0, 200.0];
/// The same crowds and gaps in every run.
const SEED: u64 = 1;
/// Quotes are asked for so many at once.
const AT_ONCE: usize = 8;
/// Orders that tell roughly how fast a number of clients is, so that enough quotes can be prepared.
const TRIAL: usize = 100;

/// What placing can do.
#[derive(Debug, Clone, Serialize)]
pub struct Placing {
    /// The best of the closed loops, orders a second.
    pub placed_per_s: f64,
    /// That, as a part of the best bare loop.
    pub placed_ratio: f64,
    /// Closed loops, by clients.
    pub closed: BTreeMap<usize, Closed>,
    /// Open loops.
    pub open: Vec<Open>,
    /// Transactions a second of `pgbench` with the same inserts, by clients; none when it is not on this machine.
    pub pgbench_per_s: Option<f64>,
}

/// So many clients, each placing one order after the other.
#[derive(Debug, Clone, Serialize)]
pub struct Closed {
    /// Orders a second.
    pub placed_per_s: f64,
    /// The bare loop on as many connections, orders a second.
    pub bare_per_s: f64,
    /// How long one order took.
    pub latency: Spread,
    /// Orders that were refused or not answered.
    pub failed: u64,
    /// Seconds until payments and tickets had caught up, once nobody placed any more: placing may win against them.
    pub caught_up_in_s: f64,
}

/// Orders that come at a rate, whether or not the ones before them are answered.
#[derive(Debug, Clone, Serialize)]
pub struct Open {
    /// Orders a second that were offered.
    pub rate: f64,
    /// From the wish to order until the answer; failures count with the time that they took.
    pub latency: Spread,
    /// Orders that were refused or not answered.
    pub failed: u64,
}

/// A price, and whose it is.
type Priced = (usize, String);

/// Measures on a platform that has nothing else to do.
///
/// # Errors
/// The platform is gone.
pub async fn measure(stage: &Stage, lasting: Duration) -> Result<Placing> {
    let mut bench = Placers { city: City::set_up(stage).await?, meters: Meters::new(stage).await?, stage };
    let scratch = Scratch::make(stage).await?;
    let mut closed = BTreeMap::new();
    for clients in CLIENTS {
        let mut measured = bench.closed_loop(clients, lasting).await?;
        measured.bare_per_s = scratch.orders_per_s(clients, lasting).await?;
        let Closed { placed_per_s, bare_per_s, latency, failed, caught_up_in_s } = &measured;
        stage.say(&format!(
            "{clients} clients: {placed_per_s:.0} orders placed/s (p50 {:.1} p99 {:.1} ms, {failed} failed), caught up \
             {caught_up_in_s:.0} s later; bare loop {bare_per_s:.0}/s",
            latency.p50_ms, latency.p99_ms
        ));
        closed.insert(clients, measured);
    }
    let mut open = Vec::new();
    for rate in OFFERED {
        let measured = bench.open_loop(rate, lasting).await?;
        stage.say(&format!(
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

struct Placers<'s> {
    stage: &'s Stage,
    city: Arc<City>,
    meters: Meters,
}

impl Placers<'_> {
    async fn closed_loop(&mut self, clients: usize, lasting: Duration) -> Result<Closed> {
        let trial = self.quotes(TRIAL).await?;
        let rate = self.run_closed(clients, trial, lasting).await?.placed_per_s;
        let quotes = self.quotes((rate * lasting.as_secs_f64() * 1.5) as usize + clients * 2).await?;
        self.run_closed(clients, quotes, lasting).await
    }

    /// Ends when the time is over, or with the quotes.
    async fn run_closed(&mut self, clients: usize, quotes: Vec<Priced>, lasting: Duration) -> Result<Closed> {
        let (quotes, next) = (Arc::new(quotes), Arc::new(AtomicUsize::new(0)));
        let began = Instant::now();
        let mut workers = JoinSet::new();
        for _ in 0..clients {
            let (city, quotes, next) = (self.city.clone(), quotes.clone(), next.clone());
            workers.spawn(async move {
                let (mut took, mut failed) = (Vec::new(), 0);
                while began.elapsed() < lasting {
                    let Some((customer, quote)) = quotes.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    let (sent, is_placed) = (Instant::now(), place(&city, *customer, quote).await);
                    took.push(ms(sent.elapsed()));
                    failed += u64::from(!is_placed);
                }
                (took, failed)
            });
        }
        let (mut took, mut failed) = (Vec::new(), 0);
        while let Some(done) = workers.join_next().await {
            let (some, bad) = done?;
            took.extend(some);
            failed += bad;
        }
        let rate = (took.len() as f64 - failed as f64) / began.elapsed().as_secs_f64();
        let caught_up_in_s = self.rest().await?;
        Ok(Closed { placed_per_s: rate, bare_per_s: 0.0, latency: Spread::of(took), failed, caught_up_in_s })
    }

    async fn open_loop(&mut self, rate: f64, lasting: Duration) -> Result<Open> {
        // Poisson arrivals vary: four standard deviations are enough.
        let most = rate * lasting.as_secs_f64();
        let mut quotes = self.quotes((most + 4.0 * most.sqrt()) as usize).await?;
        let took = Arc::new(Mutex::new(Vec::new()));
        let mut arrivals = Arrivals::new(rate, lasting, SEED);
        let mut orders = JoinSet::new();
        while let Some(since) = arrivals.next().await {
            let Some((customer, quote)) = quotes.pop() else { break };
            let (city, took) = (self.city.clone(), took.clone());
            orders.spawn(async move {
                let is_placed = place(&city, customer, &quote).await;
                Tally::note(&took, ms(since.elapsed()));
                is_placed
            });
        }
        let mut failed = 0;
        while let Some(done) = orders.join_next().await {
            failed += u64::from(!done?);
        }
        self.rest().await?;
        Ok(Open { rate, latency: Spread::of(Tally::take(&took)), failed })
    }

    async fn quotes(&self, wanted: usize) -> Result<Vec<Priced>> {
        self.stage.say(&format!("asking {wanted} prices"));
        let city = &self.city;
        let asked = (0..wanted).map(|n| async move {
            let (customer, shop) = (n % city.customers.len(), &city.shops[n % city.shops.len()]);
            Some((customer, quote(city, &city.customers[customer], shop).await?))
        });
        let quotes: Vec<_> = futures::stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        quotes.into_iter().collect::<Option<_>>().context("a price was refused")
    }

    /// Waits until payments and tickets have caught up; how many seconds that took.
    async fn rest(&mut self) -> Result<f64> {
        let (began, mut before, mut since) = (Instant::now(), -1, Instant::now());
        loop {
            let now = applied::events_written(self.meters.database()).await?;
            if now != before {
                (before, since) = (now, Instant::now());
            }
            // PostgreSQL's figure is a second late.
            if since.elapsed() > Duration::from_millis(1_500) {
                return Ok((since - began).as_secs_f64());
            }
            if began.elapsed() > Duration::from_secs(90) {
                self.stage.say("the platform is still busy with what was placed before");
                return Ok(began.elapsed().as_secs_f64());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

async fn place(city: &City, customer: usize, quote: &str) -> bool {
    send_order(city, &city.customers[customer], quote, false).await.is_ok_and(|answer| answer.is_success())
}

/// The same inserts by `pgbench`, prepared, on eight connections; none when the program is not there or says nothing.
async fn pgbench(scratch: &Scratch, lasting: Duration) -> Option<f64> {
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
