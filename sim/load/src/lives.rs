//! A rung: whole lives, tap to door, at one offered rate for some seconds; did the platform hold it, and what did it cost?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use serde::Serialize;
use tokio::time::Instant;

use super::Stage;
use super::applied::{self, Applied};
use super::arrivals::Arrivals;
use super::city::{City, Tally};
use super::crew::{Crew, riders_for};
use super::meters::{Costs, Meters, by_name};
use super::people::{Habit, order};
use super::stats::{Spread, ms};

/// After the last order has been placed, everything has to be at the door within this time.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// How long a rung that did not hold may take to come to rest, so that the next one starts from nothing.
const REST_WITHIN: Duration = Duration::from_secs(120);
/// News that took longer than this is late.
pub const APPLIED_P99_MS: f64 = 250.0;
/// Orders arrive for so long before the measured window begins, at most.
const WARM_UP_MOST: Duration = Duration::from_secs(5);
/// A platform that is this many seconds of orders behind will not hold: the rest of the rung is spared.
const BEHIND_S: f64 = 8.0;
/// So many orders under way are no sign of anything, however low the rate.
const BEHIND_LEAST: f64 = 20.0;
/// The kernel's own work is below this; more is somebody else on the machine, cores.
const DISTURBED_CORES: f64 = 0.25;
/// Every rung has the same crowds and gaps.
const SEED: u64 = 1;
/// A comparison needs so many orders, or chance decides it.
const COMPARED_LEAST: f64 = 30.0;

/// What is offered.
#[derive(Debug, Clone, Copy)]
pub struct Offered {
    /// Orders a second.
    pub rate: f64,
    /// How long the measured window is; a warm-up comes before it.
    pub window: Duration,
    /// Riders on shift; `None` takes as many as suit the rate.
    pub riders: Option<usize>,
    /// How customers order.
    pub habit: Habit,
    /// Whether the broker is asked for its counters: that takes it a second before and after.
    pub counts_messages: bool,
}

impl Offered {
    /// Plain orders that are compared with others: for so long, or longer where they are few.
    #[must_use]
    pub fn compared(rate: f64, window: Duration) -> Self {
        Self::plain(rate, window.max(Duration::from_secs_f64(COMPARED_LEAST / rate)))
    }

    /// Plain orders.
    #[must_use]
    pub fn plain(rate: f64, window: Duration) -> Self {
        Self { rate, window, riders: None, habit: Habit::default(), counts_messages: false }
    }
}

/// What became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Rung {
    /// Orders a second that were offered.
    pub rate: f64,
    /// Seconds of the measured window.
    pub seconds: f64,
    /// Riders on shift.
    pub riders: usize,
    /// Orders that were placed, warm-up included.
    pub placed: u64,
    /// Orders whose last tap was acknowledged, warm-up and draining included.
    pub delivered: u64,
    /// Orders that were finished within the window, a second.
    pub finished_per_s: f64,
    /// Whether it was sustained.
    pub held: bool,
    /// Why not.
    pub why_not: Option<String>,
    /// From the last arrival until nothing was open, milliseconds; none when that took too long.
    pub drained_in_ms: Option<f64>,
    /// What one order that was finished in the window cost.
    pub costs: Costs,
    /// Messages that the broker delivered to consumers, per order of the whole rung.
    pub messages: Option<f64>,
    /// Commit → applied.
    pub applied: Applied,
    /// From the wish to order until the acknowledgement, the price included.
    pub place: Spread,
    /// From the wish to order until the last tap at the door.
    pub door: Spread,
    /// Memory in use at the end of the window, megabytes.
    #[serde(serialize_with = "by_name")]
    pub rss_mb: super::cpu::ByGroup,
    /// What should not have happened, and how often it did.
    pub troubles: BTreeMap<String, u64>,
}

/// A city with its people and meters, ready for rungs.
pub struct Bench<'s> {
    /// The platform.
    pub stage: &'s Stage,
    /// The city.
    pub city: Arc<City>,
    /// Who works there.
    pub crew: Crew,
    /// What is counted.
    pub meters: Meters,
    /// So many orders are open all the time: those that idle streams watch.
    pub open_anyway: i64,
}

impl<'s> Bench<'s> {
    /// A city on a stage that has just been started.
    ///
    /// # Errors
    /// The platform refuses or does not answer.
    pub async fn new(stage: &'s Stage) -> Result<Self> {
        let meters = Meters::new(stage).await?;
        let city = City::set_up(stage).await?;
        let crew = Crew::open_shops(&city);
        let mut bench = Self { stage, city, crew, meters, open_anyway: 0 };
        // Caches, connection pools and prepared statements are part of no measurement.
        bench.rung(Offered::plain(2.0, Duration::from_secs(3))).await?;
        Ok(bench)
    }

    /// Plays one rung and waits until everything has come to rest.
    ///
    /// # Errors
    /// The platform or a meter is gone.
    pub async fn rung(&mut self, offered: Offered) -> Result<Rung> {
        self.crew.resize(offered.riders.unwrap_or_else(|| riders_for(offered.rate))).await?;
        self.forget();
        let messages_before = self.messages(offered).await;
        let warm_up = WARM_UP_MOST.min(offered.window / 3);
        let began = Instant::now();
        let mut arrivals = Arrivals::new(offered.rate, warm_up + offered.window, SEED);
        let (mut opened, mut wanted, mut is_cut) = (None, 0_u64, false);
        loop {
            let at = tokio::select! {
                () = tokio::time::sleep_until(began + warm_up), if opened.is_none() => {
                    opened = Some(self.edge().await?);
                    continue;
                }
                at = arrivals.next() => at,
            };
            let Some(at) = at else { break };
            wanted += 1;
            tokio::spawn(order(self.city.clone(), at, offered.habit));
            if wanted.saturating_sub(self.delivered()) as f64 > offered.rate * BEHIND_S + BEHIND_LEAST {
                is_cut = true;
                break;
            }
        }
        let last_arrival = Instant::now();
        let closed = self.edge().await?;
        let opened = opened.unwrap_or_else(|| closed.clone());
        let rss_mb = self.meters.rss_mb();
        let seconds = (closed.at - opened.at).as_secs_f64();
        let finished = closed.delivered - opened.delivered;

        let drained_in_ms = self.drain(last_arrival, wanted, DRAIN_WITHIN).await?;
        if drained_in_ms.is_none() && self.drain(last_arrival, wanted, REST_WITHIN).await?.is_none() {
            self.open_anyway = applied::open_orders(self.meters.database()).await?;
            self.stage.say(&format!("{} orders are still open long after they were placed", self.open_anyway));
        }
        self.rest().await?;
        let messages_after = self.messages(offered).await;
        let tally = &self.city.tally;
        let mut rung = Rung {
            rate: offered.rate,
            seconds,
            riders: self.crew.riders(),
            placed: tally.placed.load(Ordering::Relaxed),
            delivered: self.delivered(),
            finished_per_s: if seconds > 0.0 { finished as f64 / seconds } else { 0.0 },
            held: false,
            why_not: None,
            drained_in_ms,
            costs: opened.reading.costs(&closed.reading, finished),
            messages: messages_before.zip(messages_after).map(|(a, b)| (b - a.min(b)) as f64 / wanted.max(1) as f64),
            applied: applied::between(self.meters.database(), opened.time, closed.time).await?,
            place: Spread::of(Tally::take(&tally.place_ms)),
            door: Spread::of(Tally::take(&tally.door_ms)),
            rss_mb,
            troubles: Tally::take(&tally.troubles),
        };
        rung.why_not = why_not(&rung, wanted, is_cut);
        rung.held = rung.why_not.is_none();
        Ok(rung)
    }

    fn delivered(&self) -> u64 {
        self.city.tally.delivered.load(Ordering::Relaxed)
    }

    fn forget(&self) {
        let tally = &self.city.tally;
        tally.placed.store(0, Ordering::Relaxed);
        tally.delivered.store(0, Ordering::Relaxed);
        Tally::take(&tally.place_ms);
        Tally::take(&tally.door_ms);
        Tally::take(&tally.troubles);
    }

    async fn messages(&self, offered: Offered) -> Option<u64> {
        if offered.counts_messages { (self.stage.delivered_messages)().await } else { None }
    }

    async fn edge(&mut self) -> Result<Edge> {
        Ok(Edge {
            reading: self.meters.read().await?,
            delivered: self.delivered(),
            at: Instant::now(),
            time: SystemTime::now(),
        })
    }

    /// Waits until no order is open; how long that took since the last arrival.
    async fn drain(&mut self, since: Instant, wanted: u64, within: Duration) -> Result<Option<f64>> {
        loop {
            let open = applied::open_orders(self.meters.database()).await?;
            // An order that is still on its way to the platform is not open there yet.
            if open <= self.open_anyway && self.is_settled(wanted) {
                return Ok(Some(ms(since.elapsed())));
            }
            if since.elapsed() > within {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether every order was either taken to the door or has a trouble to show for it.
    fn is_settled(&self, wanted: u64) -> bool {
        let troubles = self.city.tally.troubles.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.delivered() + troubles.values().sum::<u64>() >= wanted
    }

    /// Waits until the services have nothing more to tell, so that the next measurement does not pay for this one.
    ///
    /// # Errors
    /// The database is away.
    pub async fn rest(&mut self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        let mut before = applied::events_written(self.meters.database()).await?;
        loop {
            // PostgreSQL's figure is a second late.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let now = applied::events_written(self.meters.database()).await?;
            if now == before || Instant::now() > until {
                return Ok(());
            }
            before = now;
        }
    }
}

/// All counters at an edge of the window.
#[derive(Clone)]
struct Edge {
    reading: super::meters::Reading,
    delivered: u64,
    at: Instant,
    time: SystemTime,
}

fn why_not(rung: &Rung, wanted: u64, is_cut: bool) -> Option<String> {
    if is_cut {
        return Some(format!("it was {BEHIND_S:.0} s of orders behind"));
    }
    if rung.drained_in_ms.is_none() {
        return Some(format!("orders were open {} s after the last one was placed", DRAIN_WITHIN.as_secs()));
    }
    if rung.delivered < wanted {
        return Some(format!("{} of {wanted} orders did not reach the door", wanted - rung.delivered));
    }
    if rung.applied.missing > 0 {
        return Some(format!("{} events led to nothing", rung.applied.missing));
    }
    let p99 = rung.applied.all.p99_ms;
    (p99 > APPLIED_P99_MS).then(|| format!("commit → applied p99 is {p99:.0} ms, more than {APPLIED_P99_MS:.0}"))
}

impl Rung {
    /// One line for the person who waits.
    #[must_use]
    pub fn line(&self) -> String {
        let verdict = self.why_not.as_ref().map_or_else(|| "held".to_owned(), |why| format!("not held: {why}"));
        let others = self.costs.other_cores;
        let disturbed = if others > DISTURBED_CORES {
            format!(" (something else kept {:.0} % of a core busy)", others * 100.0)
        } else {
            String::new()
        };
        format!(
            "{:>5.1} orders/s: {:.1} finished/s, {:.1} CPU-ms per order ({:.0} % of a core), applied p50 {:.1} p99 {:.0} ms, \
             door p50 {:.0} ms; {verdict}{disturbed}",
            self.rate,
            self.finished_per_s,
            self.costs.servers_cpu_ms(),
            self.costs.cores * 100.0,
            self.applied.all.p50_ms,
            self.applied.all.p99_ms,
            self.door.p50_ms,
        )
    }
}
