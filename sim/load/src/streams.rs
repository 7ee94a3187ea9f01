//! What open streams cost: idle ones, and one per order from the tap to the door. Rungs without streams, with idle ones
//! and with watching customers take turns, and the medians are compared.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::city::Person;
use super::lives::{Bench, Offered, Rung};
use super::people::{Habit, idle_stream, quote, send_order};
use super::stats::median;

/// Idle streams: half of them of customers whose order nobody answers, half of riders who are not on shift.
const IDLE: usize = 1_000;
/// How often each kind is measured.
const ROUNDS: usize = 3;
/// Calls under way at once.
const AT_ONCE: usize = 8;

/// What streams cost.
#[derive(Debug, Clone, Serialize)]
pub struct Streams {
    /// Orders a second.
    pub rate: f64,
    /// CPU-ms of all servers per order without any customer's stream.
    pub plain_cpu_ms: Option<f64>,
    /// The same with 1,000 idle streams.
    pub idle_cpu_ms: Option<f64>,
    /// The same with every order watched and placed with `Prefer: wait=4`.
    pub watched_cpu_ms: Option<f64>,
    /// What 1,000 idle streams cost: 1.05 is five per cent more.
    pub idle_ratio: Option<f64>,
    /// What it costs that everybody watches and waits.
    pub watched_ratio: Option<f64>,
    /// Every rung: plain, idle, watched, and again.
    pub rungs: Vec<Rung>,
}

/// Measures at a rate that the platform holds.
///
/// # Errors
/// The platform or a meter is gone.
pub async fn measure(bench: &mut Bench<'_>, rate: f64, window: Duration, riders: Option<usize>) -> Result<Streams> {
    let watchers = watchers(bench).await?;
    let plain = Offered { riders, ..Offered::compared(rate, window) };
    let watched = Offered { habit: Habit { watches: true, waits: true }, ..plain };
    let (mut plain_cpu, mut idle_cpu, mut watched_cpu, mut rungs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain_cpu.push(one(bench, plain, "no streams", &mut rungs).await?);
        let mut streams = JoinSet::new();
        for (who, path, is_rider) in &watchers {
            streams.spawn(idle_stream(bench.city.clone(), who.clone(), path.clone(), *is_rider));
        }
        idle_cpu.push(one(bench, plain, "1,000 idle streams", &mut rungs).await?);
        streams.shutdown().await;
        watched_cpu.push(one(bench, watched, "every order watched", &mut rungs).await?);
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
        rungs,
    })
}

async fn one(bench: &mut Bench<'_>, offered: Offered, kind: &str, rungs: &mut Vec<Rung>) -> Result<f64> {
    let rung = bench.rung(offered).await?;
    bench.stage.say(&format!("{kind}: {}", rung.line()));
    let cpu_ms = rung.costs.servers_cpu_ms();
    rungs.push(rung);
    Ok(cpu_ms)
}

/// Who watches and what: 500 orders at a shop that does not answer, which stay open for 8 min, and 500 riders.
async fn watchers(bench: &mut Bench<'_>) -> Result<Vec<(Person, String, bool)>> {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    bench.stage.say(&format!("placing {} orders that nobody answers, for idle streams to watch", IDLE / 2));
    let city = &bench.city;
    let orders = (0..IDLE / 2).map(|n| async move {
        let customer = &city.customers[n % city.customers.len()];
        let quote = quote(city, customer, &city.silent_shop).await.context("a price was refused")?;
        let answer = send_order(city, customer, &quote, false).await?;
        anyhow::ensure!(answer.is_success(), "an order was refused: {}", answer.problem());
        anyhow::Ok((customer.clone(), format!("/v1/orders/{}/stream", answer.read::<Id>()?.id), false))
    });
    let mut watchers: Vec<_> = futures::stream::iter(orders).buffer_unordered(AT_ONCE).try_collect().await?;
    let riders = (0..IDLE - IDLE / 2).map(|n| async move {
        let rider = city.hire(100_000 + n).await?;
        anyhow::Ok((rider, "/v1/rider/offers/stream".to_owned(), true))
    });
    let riders: Vec<_> = futures::stream::iter(riders).buffer_unordered(AT_ONCE).try_collect().await?;
    watchers.extend(riders);
    bench.open_anyway += (IDLE / 2) as i64;
    bench.rest().await?;
    Ok(watchers)
}
