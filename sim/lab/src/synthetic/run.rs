//! Simulation of the days of a city, in parallel.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use super::generate::generate;
use super::settings::City;
use crate::bench::check::{Rule, Violation};
use crate::bench::run::{self, Outcome};
use crate::bench::simulation::disruptions::DisruptionStats;
use crate::bench::simulation::simulate_with;
use crate::bench::solution::DayOptions;
use crate::bench::summary::Summary;

/// A sequence of days of a city.
#[derive(Debug, Clone)]
pub struct Days {
    /// The city.
    pub city: City,
    /// Seed of the first day.
    pub seed: u64,
    /// Number of days; their seeds are consecutive.
    pub seeds: u64,
}

/// The results of a sequence of days.
#[derive(Debug)]
pub struct DaysResult {
    /// One per day, by seed; fewer when the run was stopped.
    pub outcomes: Vec<Outcome>,
    /// One per outcome.
    pub disruptions: Vec<DisruptionStats>,
    /// Measures of all days.
    pub summary: Summary,
}

/// Simulates all days, each with its own seed for the engine as well. Instances and solutions are written into `out`,
/// if given. Setting `stop` ends the run early.
///
/// # Errors
/// An instance or solution cannot be written.
pub fn run_days(
    days: &Days,
    options: &DayOptions,
    out: Option<&Path>,
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> Result<DaysResult> {
    let generated = (0..days.seeds).map(|n| generate(&days.city, days.seed.wrapping_add(n)));
    let (instances, disruptions): (Vec<_>, Vec<_>) = generated.unzip();
    if let Some(out) = out {
        for instance in &instances {
            let dir = out.join(&instance.name);
            instance.write(&dir).with_context(|| format!("cannot write into {}", dir.display()))?;
        }
    }
    let stats = Mutex::new(vec![None; instances.len()]);
    let mut outcomes = run::run_all_with(instances, options, out, stop, bar, &|n, instance, _| {
        let options = DayOptions { seed: days.seed.wrapping_add(n as u64), ..*options };
        let (day, found) = simulate_with(instance, &options, &disruptions[n]);
        stats.lock().unwrap_or_else(PoisonError::into_inner)[n] = Some(found);
        day
    })?;
    // In the order of the days, as the outcomes are. A day that was not simulated has neither.
    let disruptions: Vec<DisruptionStats> =
        stats.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect();
    for (outcome, stats) in outcomes.iter_mut().zip(&disruptions) {
        let withdrawn_from: Vec<&str> =
            stats.withdrawn_from.iter().map(|c| outcome.instance.couriers[*c].id.as_str()).collect();
        outcome.violations.retain(|v| !is_caused_by_withdrawal(v, &withdrawn_from));
    }
    let options = DayOptions { seed: days.seed, ..*options };
    let named = outcomes.iter().map(|o| (o.instance.name.clone(), o.metrics)).collect();
    Ok(DaysResult { outcomes, disruptions, summary: Summary { options, instances: named } })
}

/// A courier whose orders were withdrawn has moved to a restaurant without a pickup, which the policy could not avoid.
fn is_caused_by_withdrawal(violation: &Violation, withdrawn_from: &[&str]) -> bool {
    matches!(violation.rule, Rule::EmptyMove | Rule::Committed)
        && violation.courier.as_deref().is_some_and(|courier| withdrawn_from.contains(&courier))
}

impl DaysResult {
    /// The content of `summary.json`: the benchmark's, the disruptions of each day and in total, and the city.
    #[must_use]
    pub fn json(&self, city: &City) -> Value {
        let mut all = self.summary.json();
        for (row, stats) in all["instances"].as_array_mut().into_iter().flatten().zip(&self.disruptions) {
            row["troubles"] = json!(stats);
        }
        all["troubles"] = json!(self.total_disruptions());
        all["city"] = json!(city);
        all
    }

    /// The disruptions of all days together.
    #[must_use]
    pub fn total_disruptions(&self) -> DisruptionStats {
        let mut all = DisruptionStats::default();
        for t in &self.disruptions {
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

impl DisruptionStats {
    /// A summary for people, on two lines.
    #[must_use]
    pub fn sentences(&self) -> String {
        let Self { declines, silences, given_back, slips, repairs, repair_plans_worst: worst, unrepaired, .. } = self;
        let mean = self.repair_plans as f64 / u64::max(*repairs, 1) as f64;
        format!(
            "{declines} offers declined, {silences} riders silent, {given_back} orders taken from riders, {slips} \
             orders later than their kitchen had said.\n{repairs} orders were planned with somebody else, after {mean:.2} plans \
             on average and {worst} at most; for {unrepaired} nobody else was found."
        )
    }
}

/// Name and measures of each day of a `summary.json`; `None` when it has another form.
pub(super) fn rows(summary: &Value) -> Option<Vec<(String, Map<String, Value>)>> {
    let rows = summary["instances"].as_array()?.iter();
    rows.map(|row| Some((row["name"].as_str()?.to_owned(), row.as_object()?.clone()))).collect()
}
