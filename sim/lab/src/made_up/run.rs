//! Days of a city on all cores.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use super::{City, draw, files};
use crate::bench::check::{Rule, Violation};
use crate::bench::day;
use crate::bench::day::mishap::Troubles;
use crate::bench::run::{self, Outcome};
use crate::bench::solution::DayOptions;
use crate::bench::summary::Summary;

/// Which days.
#[derive(Debug, Clone)]
pub struct Days {
    /// Of which city.
    pub city: City,
    /// The seed of the first day.
    pub seed: u64,
    /// How many days; each has the next seed.
    pub seeds: u64,
}

/// How the days went.
#[derive(Debug)]
pub struct Worked {
    /// One per day, by seed; fewer when it was stopped.
    pub outcomes: Vec<Outcome>,
    /// What went wrong, one per outcome.
    pub troubles: Vec<Troubles>,
    /// The figures.
    pub summary: Summary,
}

/// Works every day, each with its own seed for the engine too. With a folder, the day's instance and its solution are
/// written into it at once.
///
/// # Errors
/// Something cannot be written.
pub fn work(
    days: &Days,
    options: &DayOptions,
    out: Option<&Path>,
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> Result<Worked> {
    let drawn = (0..days.seeds).map(|n| draw(&days.city, days.seed.wrapping_add(n)));
    let (instances, mishaps): (Vec<_>, Vec<_>) = drawn.unzip();
    if let Some(out) = out {
        for instance in &instances {
            let dir = out.join(&instance.name);
            files::write(&dir, instance).with_context(|| format!("cannot write into {}", dir.display()))?;
        }
    }
    let troubles = Mutex::new(vec![None; instances.len()]);
    let mut outcomes = run::work_by(instances, options, out, stop, bar, &|n, instance, _| {
        let options = DayOptions { seed: days.seed.wrapping_add(n as u64), ..*options };
        let (day, found) = day::run_with(instance, &options, &mishaps[n]);
        troubles.lock().unwrap_or_else(PoisonError::into_inner)[n] = Some(found);
        day
    })?;
    // In the order of the days, as the outcomes are; a day that was not worked has neither.
    let troubles: Vec<Troubles> =
        troubles.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect();
    for (outcome, troubles) in outcomes.iter_mut().zip(&troubles) {
        let excused: Vec<&str> =
            troubles.taken_from.iter().map(|c| outcome.instance.couriers[*c].id.as_str()).collect();
        outcome.violations.retain(|v| !is_excused(v, &excused));
    }
    let options = DayOptions { seed: days.seed, ..*options };
    let named = outcomes.iter().map(|o| (o.instance.name.clone(), o.metrics)).collect();
    Ok(Worked { outcomes, troubles, summary: Summary { options, instances: named } })
}

/// Somebody from whom orders were taken went to a counter for nothing, and that is nobody's mistake.
fn is_excused(violation: &Violation, excused: &[&str]) -> bool {
    matches!(violation.rule, Rule::EmptyMove | Rule::Committed)
        && violation.courier.as_deref().is_some_and(|courier| excused.contains(&courier))
}

impl Worked {
    /// The benchmark's figures, the troubles of each day and of all together, and the city.
    #[must_use]
    pub fn json(&self, city: &City) -> Value {
        let mut all = self.summary.json();
        for (row, troubles) in all["instances"].as_array_mut().into_iter().flatten().zip(&self.troubles) {
            row["troubles"] = json!(troubles);
        }
        all["troubles"] = json!(self.all_troubles());
        all["city"] = json!(city);
        all
    }

    /// The troubles of all days together.
    #[must_use]
    pub fn all_troubles(&self) -> Troubles {
        let mut all = Troubles::default();
        for t in &self.troubles {
            all.declines += t.declines;
            all.silences += t.silences;
            all.given_back += t.given_back;
            all.slips += t.slips;
            all.repairs += t.repairs;
            all.repair_plans += t.repair_plans;
            all.repair_plans_worst = all.repair_plans_worst.max(t.repair_plans_worst);
            all.unrepaired += t.unrepaired;
        }
        all
    }
}

impl Troubles {
    /// In two sentences.
    #[must_use]
    pub fn sentences(&self) -> String {
        let Self { declines, silences, given_back, slips, repairs, repair_plans_worst: worst, unrepaired, .. } = self;
        let mean = self.repair_plans as f64 / u64::max(*repairs, 1) as f64;
        format!(
            "{declines} offers declined, {silences} riders silent, {given_back} orders taken from riders, {slips} orders \
             later than their kitchen had said.\n{repairs} orders were planned with somebody else, after {mean:.2} plans \
             on average and {worst} at most; for {unrepaired} nobody else was found."
        )
    }
}

/// The figures of each day by name, for [`compare`](super::compare).
pub(super) fn rows(summary: &Value) -> Option<Vec<(String, Map<String, Value>)>> {
    let rows = summary["instances"].as_array()?.iter();
    rows.map(|row| Some((row["name"].as_str()?.to_owned(), row.as_object()?.clone()))).collect()
}
