//! The cost of open streams: idle ones, and one per order from placing to delivery. Load steps without streams, with idle
//! streams and with following customers alternate, and their medians are compared.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::bench::Bench;
use super::bots::{IdleStream, OrderOptions, hold_stream, quote, send_order};
use super::stats::median;
use super::step::{LoadStep, Offered};

/// Idle streams: half of customers whose order is not answered, half of riders who are not on shift.
const IDLE: usize = 1_000;
/// Repetitions of each kind.
const ROUNDS: usize = 3;
/// Calls in flight at a time.
const CONCURRENCY: usize = 8;

/// The cost of streams.
#[derive(Debug, Clone, Serialize)]
pub struct Streams {
    /// Offered orders a second.
    pub rate: f64,
    /// CPU-ms of all servers per order without any customer's stream.
    pub plain_cpu_ms: Option<f64>,
    /// The same with 1,000 idle streams.
    pub idle_cpu_ms: Option<f64>,
    /// The same with every order followed and placed with `Prefer: wait=4`.
    pub watched_cpu_ms: Option<f64>,
    /// CPU with 1,000 idle streams, relative to none: 1.05 is five per cent more.
    pub idle_ratio: Option<f64>,
    /// CPU with followed orders, relative to none.
    pub watched_ratio: Option<f64>,
    /// All load steps: plain, idle, followed, and again.
    #[serde(rename = "rungs")]
    pub steps: Vec<LoadStep>,
}

/// Measures at a rate that the platform sustains.
///
/// # Errors
/// The platform or a meter is unavailable.
pub async fn measure(bench: &mut Bench<'_>, rate: f64, window: Duration, riders: Option<usize>) -> Result<Streams> {
    let idle_streams = idle_streams(bench).await?;
    let plain = Offered { riders, ..Offered::compared(rate, window) };
    let watched = Offered { options: OrderOptions { follows: true, waits_for_payment: true }, ..plain };
    let (mut plain_cpu, mut idle_cpu, mut watched_cpu, mut steps) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain_cpu.push(play(bench, plain, "no streams", &mut steps).await?);
        let mut streams = JoinSet::new();
        for idle in &idle_streams {
            streams.spawn(hold_stream(bench.city.clone(), idle.clone()));
        }
        idle_cpu.push(play(bench, plain, "1,000 idle streams", &mut steps).await?);
        streams.shutdown().await;
        watched_cpu.push(play(bench, watched, "every order watched", &mut steps).await?);
    }
    let (plain, idle, watched) = (median(plain_cpu), median(idle_cpu), median(watched_cpu));
    let over_plain = |cpu: Option<f64>| Some(cpu? / plain?);
    Ok(Streams {
        rate,
        plain_cpu_ms: plain,
        idle_cpu_ms: idle,
        watched_cpu_ms: watched,
        idle_ratio: over_plain(idle),
        watched_ratio: over_plain(watched),
        steps,
    })
}

/// CPU-ms of all servers per order.
async fn play(bench: &mut Bench<'_>, offered: Offered, kind: &str, steps: &mut Vec<LoadStep>) -> Result<f64> {
    let step = bench.play(offered).await?;
    bench.system.log(&format!("{kind}: {}", step.line()));
    let cpu_ms = step.costs.servers_cpu_ms();
    steps.push(step);
    Ok(cpu_ms)
}

/// Prepares the idle streams: 500 orders at a shop that does not answer, which stay open for 8 min, and 500 riders.
async fn idle_streams(bench: &mut Bench<'_>) -> Result<Vec<IdleStream>> {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    bench.system.log(&format!("placing {} orders that nobody answers, for idle streams to watch", IDLE / 2));
    let city = &bench.city;
    let orders = (0..IDLE / 2).map(|n| async move {
        let customer = &city.customers[n % city.customers.len()];
        let quote = quote(city, customer, &city.silent_shop).await.context("a price was refused")?;
        let answer = send_order(city, customer, &quote, OrderOptions::default()).await?;
        anyhow::ensure!(answer.is_success(), "an order was refused: {}", answer.problem());
        let path = format!("/v1/orders/{}/stream", answer.read::<Id>()?.id);
        anyhow::Ok(IdleStream { account: customer.clone(), path, is_rider: false })
    });
    let mut streams: Vec<_> = futures::stream::iter(orders).buffer_unordered(CONCURRENCY).try_collect().await?;
    let riders = (0..IDLE - IDLE / 2).map(|n| async move {
        let account = city.create_rider(100_000 + n).await?;
        anyhow::Ok(IdleStream { account, path: "/v1/rider/offers/stream".to_owned(), is_rider: true })
    });
    let riders: Vec<_> = futures::stream::iter(riders).buffer_unordered(CONCURRENCY).try_collect().await?;
    streams.extend(riders);
    bench.standing_orders += (IDLE / 2) as i64;
    bench.wait_until_idle().await?;
    Ok(streams)
}
