//! The highest rate that the platform sustains: doubled until it does not hold, then halved towards the edge, then held
//! for the full time.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::lives::{Bench, Offered, Rung};

/// Where the search begins, orders a second.
const FIRST: f64 = 2.0;
/// Nobody looks further.
const HIGHEST: f64 = 256.0;
/// How long a rung of the search is; the one that counts lasts as long as was asked.
const SEARCH: Duration = Duration::from_secs(15);
/// The rate at which costs are compared, orders a second.
pub const COMPARED_AT: f64 = 10.0;
/// The rate at which commit → applied is reported, where it can be sustained.
const APPLIED_AT: f64 = 20.0;

/// What whole lives cost, and how many of them there can be.
#[derive(Debug, Clone, Serialize)]
pub struct Lives {
    /// The highest rate that held for the full time; none when the only one that was asked for did not.
    pub lives_per_s: Option<f64>,
    /// At 10 a second, or at the highest rate if that is lower.
    pub compared: Option<Rung>,
    /// At the highest rate.
    pub peak: Option<Rung>,
    /// At 20 a second, or at the highest rate if that is lower.
    pub applied: Option<Rung>,
    /// Everything that was tried, in this order.
    pub rungs: Vec<Rung>,
}

/// Finds the highest rate and measures there and at the rates of comparison; with `only`, measures that rate alone.
///
/// # Errors
/// The platform or a meter is gone.
pub async fn climb(bench: &mut Bench<'_>, full: Duration, only: Option<f64>, riders: Option<usize>) -> Result<Lives> {
    let mut ladder = Ladder { bench, riders, rungs: Vec::new() };
    if let Some(rate) = only {
        let rung = ladder.measure(rate, full, true).await?;
        let lives_per_s = rung.held.then_some(rate);
        let one = Some(rung);
        return Ok(Lives { lives_per_s, compared: one.clone(), peak: one.clone(), applied: one, rungs: ladder.rungs });
    }
    let search = SEARCH.min(full);
    let mut rate = ladder.search(search).await?;
    // What held for a quarter of a minute need not hold for a minute.
    let peak = loop {
        let rung = ladder.measure(rate, full, true).await?;
        if rung.held {
            break Some(rung);
        }
        rate = (rate - step(rate)).floor();
        if rate < 1.0 {
            break None;
        }
    };
    let Some(peak) = peak else {
        return Ok(Lives { lives_per_s: None, compared: None, peak: None, applied: None, rungs: ladder.rungs });
    };
    let compared = if peak.rate > COMPARED_AT { ladder.measure(COMPARED_AT, full, true).await? } else { peak.clone() };
    let applied = if peak.rate > APPLIED_AT { ladder.measure(APPLIED_AT, search, false).await? } else { peak.clone() };
    Ok(Lives {
        lives_per_s: Some(peak.rate),
        compared: Some(compared),
        peak: Some(peak),
        applied: Some(applied),
        rungs: ladder.rungs,
    })
}

struct Ladder<'b, 's> {
    bench: &'b mut Bench<'s>,
    riders: Option<usize>,
    rungs: Vec<Rung>,
}

impl Ladder<'_, '_> {
    async fn measure(&mut self, rate: f64, window: Duration, counts_messages: bool) -> Result<Rung> {
        let offered = Offered { riders: self.riders, counts_messages, ..Offered::plain(rate, window) };
        let rung = self.bench.rung(offered).await?;
        self.bench.stage.say(&rung.line());
        self.rungs.push(rung.clone());
        Ok(rung)
    }

    /// Whether a rate holds for a short time. One that does not is tried once more: a checkpoint, or something else on the
    /// machine, must not end the search.
    async fn holds(&mut self, rate: f64, window: Duration) -> Result<bool> {
        Ok(self.measure(rate, window, false).await?.held || self.measure(rate, window, false).await?.held)
    }

    /// The highest whole rate (within a twentieth) that holds for a short time; at least 1, which is not tried.
    async fn search(&mut self, window: Duration) -> Result<f64> {
        let (mut holds, mut fails) = (1.0, FIRST);
        while self.holds(fails, window).await? {
            holds = fails;
            fails *= 2.0;
            if fails > HIGHEST {
                return Ok(holds);
            }
        }
        while fails - holds > step(holds) {
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

/// How exactly the highest rate is looked for.
fn step(rate: f64) -> f64 {
    (rate / 20.0).floor().max(1.0)
}
