//! Plays load steps on a city and measures them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use tokio::time::Instant;

use super::applied;
use super::arrivals::Arrivals;
use super::bots::place_order;
use super::city::{City, Tally};
use super::meters::{Meters, Reading};
use super::staff::{Staff, riders_for};
use super::stats::{Percentiles, ms};
use super::step::{DRAIN_WITHIN, LoadStep, Offered};
use super::system::SystemUnderTest;

/// How long the platform may take to empty after a step that was not sustained, so that the next step starts from nothing.
const EMPTY_WITHIN: Duration = Duration::from_secs(120);
/// The longest warm-up before the measured window.
const WARM_UP_MAX: Duration = Duration::from_secs(5);
/// All steps have the same sequence of arrivals.
const SEED: u64 = 1;

/// A city with its bots and meters, ready for load steps.
pub struct Bench<'s> {
    /// The platform.
    pub system: &'s SystemUnderTest,
    /// The zone and its accounts.
    pub city: Arc<City>,
    /// The shops and riders at work.
    pub staff: Staff,
    /// All counters.
    pub meters: Meters,
    /// Orders that stay open, for idle streams.
    pub standing_orders: i64,
}

impl<'s> Bench<'s> {
    /// Sets up a city on a platform that has just been started, and warms the platform up.
    ///
    /// # Errors
    /// The platform refuses or does not answer.
    pub async fn new(system: &'s SystemUnderTest) -> Result<Self> {
        let meters = Meters::new(system).await?;
        let city = City::set_up(system).await?;
        let staff = Staff::open_shops(&city);
        let mut bench = Self { system, city, staff, meters, standing_orders: 0 };
        // Fills caches, connection pools and prepared statements.
        bench.play(Offered::plain(2.0, Duration::from_secs(3))).await?;
        Ok(bench)
    }

    /// Plays one load step and waits until the platform is idle.
    ///
    /// # Errors
    /// The platform or a meter is unavailable.
    pub async fn play(&mut self, offered: Offered) -> Result<LoadStep> {
        self.staff.resize(offered.riders.unwrap_or_else(|| riders_for(offered.rate))).await?;
        self.reset_tally();
        let messages_before = self.messages(offered).await;
        let warm_up = WARM_UP_MAX.min(offered.window / 3);
        let began = Instant::now();
        let mut arrivals = Arrivals::new(offered.rate, warm_up + offered.window, SEED);
        let (mut opened, mut due, mut is_cut) = (None, 0_u64, false);
        loop {
            let at = tokio::select! {
                () = tokio::time::sleep_until(began + warm_up), if opened.is_none() => {
                    opened = Some(self.snapshot().await?);
                    continue;
                }
                at = arrivals.next() => at,
            };
            let Some(at) = at else { break };
            due += 1;
            tokio::spawn(place_order(self.city.clone(), at, offered.options));
            if LoadStep::is_overloaded(offered.rate, due.saturating_sub(self.delivered())) {
                is_cut = true;
                break;
            }
        }
        let last_arrival = Instant::now();
        let closed = self.snapshot().await?;
        let opened = opened.unwrap_or_else(|| closed.clone());
        let rss_mb = self.meters.rss_mb();
        let seconds = (closed.at - opened.at).as_secs_f64();
        let finished = closed.delivered - opened.delivered;

        let drained_in_ms = self.drain(last_arrival, due, DRAIN_WITHIN).await?;
        if drained_in_ms.is_none() && self.drain(last_arrival, due, EMPTY_WITHIN).await?.is_none() {
            self.standing_orders = applied::open_orders(self.meters.database()).await?;
            self.system.log(&format!("{} orders are still open long after they were placed", self.standing_orders));
        }
        self.wait_until_idle().await?;
        let messages_after = self.messages(offered).await;
        let tally = &self.city.tally;
        let mut step = LoadStep {
            rate: offered.rate,
            seconds,
            riders: self.staff.riders(),
            placed: tally.placed.load(Ordering::Relaxed),
            delivered: self.delivered(),
            finished_per_s: if seconds > 0.0 { finished as f64 / seconds } else { 0.0 },
            held: false,
            why_not: None,
            drained_in_ms,
            costs: opened.reading.costs(&closed.reading, finished),
            messages: messages_before.zip(messages_after).map(|(a, b)| (b - a.min(b)) as f64 / due.max(1) as f64),
            applied: applied::between(self.meters.database(), opened.time, closed.time).await?,
            place: Percentiles::of(Tally::take(&tally.place_ms)),
            door: Percentiles::of(Tally::take(&tally.door_ms)),
            rss_mb,
            errors: Tally::take(&tally.errors),
        };
        step.judge(due, is_cut);
        Ok(step)
    }

    fn delivered(&self) -> u64 {
        self.city.tally.delivered.load(Ordering::Relaxed)
    }

    fn reset_tally(&self) {
        let tally = &self.city.tally;
        tally.placed.store(0, Ordering::Relaxed);
        tally.delivered.store(0, Ordering::Relaxed);
        Tally::take(&tally.place_ms);
        Tally::take(&tally.door_ms);
        Tally::take(&tally.errors);
    }

    async fn messages(&self, offered: Offered) -> Option<u64> {
        if offered.counts_messages { (self.system.delivered_messages)().await } else { None }
    }

    async fn snapshot(&mut self) -> Result<Snapshot> {
        Ok(Snapshot {
            reading: self.meters.read().await?,
            delivered: self.delivered(),
            at: Instant::now(),
            time: SystemTime::now(),
        })
    }

    /// Waits until no order is open. Returns the time since the last arrival, milliseconds.
    async fn drain(&mut self, since: Instant, due: u64, within: Duration) -> Result<Option<f64>> {
        loop {
            let open = applied::open_orders(self.meters.database()).await?;
            // An order whose call is in flight is not stored yet.
            if open <= self.standing_orders && self.is_settled(due) {
                return Ok(Some(ms(since.elapsed())));
            }
            if since.elapsed() > within {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether every order was either delivered or led to an error.
    fn is_settled(&self, due: u64) -> bool {
        let errors = self.city.tally.errors.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.delivered() + errors.values().sum::<u64>() >= due
    }

    /// Waits until the services write no more events, so that their work does not count in the next measurement.
    ///
    /// # Errors
    /// The database is unavailable.
    pub async fn wait_until_idle(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut before = applied::events_written(self.meters.database()).await?;
        loop {
            // PostgreSQL updates its statistics with a delay of a second.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let now = applied::events_written(self.meters.database()).await?;
            if now == before || Instant::now() > deadline {
                return Ok(());
            }
            before = now;
        }
    }
}

/// All counters at the start or end of the window.
#[derive(Clone)]
struct Snapshot {
    reading: Reading,
    delivered: u64,
    at: Instant,
    time: SystemTime,
}
