//! A load step: whole order lives at one offered rate for some seconds. Did the platform sustain it, and what did it cost?

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::applied::Applied;
use super::bots::OrderOptions;
use super::cpu::ByGroup;
use super::meters::{Costs, by_name};
use super::stats::Percentiles;

/// All orders have to be delivered within this time after the last one was placed.
pub const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// A rate is sustained only if the p99 of commit → applied is at most this.
pub const APPLIED_P99_MS: f64 = 250.0;
/// A platform that is this many seconds of orders behind will not catch up: the rest of the step is skipped.
const BACKLOG_MAX_S: f64 = 8.0;
/// This many open orders are normal at any rate.
const BACKLOG_MIN: f64 = 20.0;
/// Load of other processes above this disturbs the measurement, cores. The kernel's own work stays below it.
const DISTURBED_CORES: f64 = 0.25;
/// A comparison needs this many orders to be significant.
const COMPARED_ORDERS: f64 = 30.0;

/// The load of a step.
#[derive(Debug, Clone, Copy)]
pub struct Offered {
    /// Orders a second.
    pub rate: f64,
    /// Duration of the measured window, after a warm-up.
    pub window: Duration,
    /// Riders on shift; `None` follows the rate.
    pub riders: Option<usize>,
    /// How customers place their orders.
    pub options: OrderOptions,
    /// Whether the broker's counters are read: it costs the broker a second before and after the step.
    pub counts_messages: bool,
}

impl Offered {
    /// Orders for a comparison: the window is longer than `window` at low rates.
    #[must_use]
    pub fn compared(rate: f64, window: Duration) -> Self {
        Self::plain(rate, window.max(Duration::from_secs_f64(COMPARED_ORDERS / rate)))
    }

    /// Orders without streams, `Prefer` or broker counters.
    #[must_use]
    pub fn plain(rate: f64, window: Duration) -> Self {
        Self { rate, window, riders: None, options: OrderOptions::default(), counts_messages: false }
    }
}

/// The result of a load step.
#[derive(Debug, Clone, Serialize)]
pub struct LoadStep {
    /// Offered orders a second.
    pub rate: f64,
    /// Duration of the measured window, seconds.
    pub seconds: f64,
    /// Riders on shift.
    pub riders: usize,
    /// Placed orders, warm-up included.
    pub placed: u64,
    /// Delivered orders, warm-up and draining included.
    pub delivered: u64,
    /// Orders delivered within the window, a second.
    pub finished_per_s: f64,
    /// Whether the rate was sustained.
    pub held: bool,
    /// Why it was not sustained.
    pub why_not: Option<String>,
    /// From the last arrival until no order was open, milliseconds; none when it took longer than 5 s.
    pub drained_in_ms: Option<f64>,
    /// Cost of each order delivered in the window.
    pub costs: Costs,
    /// Messages that the broker delivered to consumers, per order of the whole step.
    pub messages: Option<f64>,
    /// Latency of commit → applied.
    pub applied: Applied,
    /// From the due time to the acknowledgement, quote included.
    pub place: Percentiles,
    /// From the due time to the handover.
    pub door: Percentiles,
    /// Memory in use at the end of the window, megabytes.
    #[serde(serialize_with = "by_name")]
    pub rss_mb: ByGroup,
    /// Errors and how often each occurred.
    #[serde(rename = "troubles")]
    pub errors: BTreeMap<String, u64>,
}

impl LoadStep {
    /// Whether `open` orders are too many for the rate to be sustained.
    #[must_use]
    pub fn is_overloaded(rate: f64, open: u64) -> bool {
        open as f64 > rate * BACKLOG_MAX_S + BACKLOG_MIN
    }

    /// Sets the verdict. `due` is the number of orders that arrived; `is_cut` means that an overload ended the arrivals early.
    pub fn judge(&mut self, due: u64, is_cut: bool) {
        self.why_not = self.failure(due, is_cut);
        self.held = self.why_not.is_none();
    }

    fn failure(&self, due: u64, is_cut: bool) -> Option<String> {
        if is_cut {
            return Some(format!("it was {BACKLOG_MAX_S:.0} s of orders behind"));
        }
        if self.drained_in_ms.is_none() {
            return Some(format!("orders were open {} s after the last one was placed", DRAIN_WITHIN.as_secs()));
        }
        if self.delivered < due {
            return Some(format!("{} of {due} orders did not reach the door", due - self.delivered));
        }
        if self.applied.missing > 0 {
            return Some(format!("{} events led to nothing", self.applied.missing));
        }
        let p99 = self.applied.all.p99_ms;
        (p99 > APPLIED_P99_MS).then(|| format!("commit → applied p99 is {p99:.0} ms, more than {APPLIED_P99_MS:.0}"))
    }

    /// One line of progress.
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
