//! Searches the highest rate that the platform sustains: doubles it until it is not sustained, then bisects, then confirms
//! the result for the full time.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::bench::Bench;
use super::step::{LoadStep, Offered};

/// The first rate of the search, orders a second.
const FIRST_RATE: f64 = 2.0;
/// The search ends at this rate, orders a second.
const RATE_MAX: f64 = 256.0;
/// The window of the search's load steps; the confirming step lasts the full time.
const SEARCH_WINDOW: Duration = Duration::from_secs(15);
/// The rate at which costs are compared, orders a second.
pub const COMPARED_AT: f64 = 10.0;
/// The rate at which commit → applied is reported, where it can be sustained.
const APPLIED_AT: f64 = 20.0;

/// Throughput and cost of whole order lives.
#[derive(Debug, Clone, Serialize)]
pub struct Lives {
    /// The highest rate that was sustained for the full time; none when the only rate that was tried was not.
    pub lives_per_s: Option<f64>,
    /// At 10 a second, or at the highest rate if that is lower.
    pub compared: Option<LoadStep>,
    /// At the highest rate.
    pub peak: Option<LoadStep>,
    /// At 20 a second, or at the highest rate if that is lower.
    pub applied: Option<LoadStep>,
    /// All load steps in order.
    #[serde(rename = "rungs")]
    pub steps: Vec<LoadStep>,
}

/// Finds the highest rate, and measures at that rate and at the rates of comparison. With `only`, measures that rate alone.
///
/// # Errors
/// The platform or a meter is unavailable.
pub async fn climb(bench: &mut Bench<'_>, full: Duration, only: Option<f64>, riders: Option<usize>) -> Result<Lives> {
    let mut ladder = Ladder { bench, riders, steps: Vec::new() };
    if let Some(rate) = only {
        let step = ladder.measure(rate, full, true).await?;
        let lives_per_s = step.held.then_some(rate);
        let one = Some(step);
        return Ok(Lives { lives_per_s, compared: one.clone(), peak: one.clone(), applied: one, steps: ladder.steps });
    }
    let search = SEARCH_WINDOW.min(full);
    let mut rate = ladder.search(search).await?;
    // A rate that was sustained for the short window may fail in the full one.
    let peak = loop {
        let step = ladder.measure(rate, full, true).await?;
        if step.held {
            break Some(step);
        }
        rate = (rate - step_size(rate)).floor();
        if rate < 1.0 {
            break None;
        }
    };
    let Some(peak) = peak else {
        return Ok(Lives { lives_per_s: None, compared: None, peak: None, applied: None, steps: ladder.steps });
    };
    let compared = if peak.rate > COMPARED_AT { ladder.measure(COMPARED_AT, full, true).await? } else { peak.clone() };
    let applied = if peak.rate > APPLIED_AT { ladder.measure(APPLIED_AT, search, false).await? } else { peak.clone() };
    Ok(Lives {
        lives_per_s: Some(peak.rate),
        compared: Some(compared),
        peak: Some(peak),
        applied: Some(applied),
        steps: ladder.steps,
    })
}

struct Ladder<'b, 's> {
    bench: &'b mut Bench<'s>,
    riders: Option<usize>,
    steps: Vec<LoadStep>,
}

impl Ladder<'_, '_> {
    async fn measure(&mut self, rate: f64, window: Duration, counts_messages: bool) -> Result<LoadStep> {
        let offered = Offered { riders: self.riders, counts_messages, ..Offered::plain(rate, window) };
        let step = self.bench.play(offered).await?;
        self.bench.system.log(&step.line());
        self.steps.push(step.clone());
        Ok(step)
    }

    /// Whether a rate is sustained. A failure is repeated once: a checkpoint, or another process on the machine, must not end
    /// the search.
    async fn holds(&mut self, rate: f64, window: Duration) -> Result<bool> {
        Ok(self.measure(rate, window, false).await?.held || self.measure(rate, window, false).await?.held)
    }

    /// The highest whole rate that is sustained in short windows, to within 5 %; at least 1, which is not tried.
    async fn search(&mut self, window: Duration) -> Result<f64> {
        let (mut holds, mut fails) = (1.0, FIRST_RATE);
        while self.holds(fails, window).await? {
            holds = fails;
            fails *= 2.0;
            if fails > RATE_MAX {
                return Ok(holds);
            }
        }
        while fails - holds > step_size(holds) {
            let middle = ((holds + fails) / 2.0).floor();
            if self.holds(middle, window).await? {
                holds = middle;
            } else {
                fails = middle;
            }
        }
        Ok(holds)
    }
}

/// The resolution of the search at a rate: 5 %, at least 1.
fn step_size(rate: f64) -> f64 {
    (rate / 20.0).floor().max(1.0)
}
