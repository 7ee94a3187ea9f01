//! `pannier sim dispatch` and `pannier sim compare`: dispatch policies on days of a synthetic city.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use pannier_lab::bench::run::progress;
use pannier_lab::bench::solution::DayOptions;
use pannier_lab::synthetic::City;
use pannier_lab::synthetic::compare::{self, PolicySpec, Series};
use pannier_lab::synthetic::run::{Days, DaysResult, run_days};

use super::bench::{How, tell_violations};
use super::signals::stop_token;
use crate::failure::Failure;
use crate::table::{self, Output};
use pannier_devenv::ui::{Ui, answer};

/// Which days are drawn.
#[derive(Debug, Clone, clap::Args)]
struct Which {
    /// The seed of everything random: the day's orders and riders, its mishaps, and the engine's search.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many days: with this seed, the next, and so on.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: Option<u64>,
    /// A city's settings (TOML), only those that are different from an ordinary city's.
    #[arg(long)]
    city: Option<PathBuf>,
}

impl Which {
    fn days(&self, usual: u64) -> Result<Days> {
        let city = City::load(self.city.as_deref())?;
        Ok(Days { city, seed: self.seed, seeds: self.seeds.unwrap_or(usual) })
    }
}

/// What `dispatch` takes.
#[derive(Debug, clap::Args)]
pub struct Dispatch {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: How,
    /// A folder for the days, their solutions and `summary.json`. Without it nothing is written.
    #[arg(long)]
    out: Option<PathBuf>,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// What `compare` takes.
#[derive(Debug, clap::Args)]
pub struct Compare {
    /// A policy, like `horizon` or `horizon:reposition=off,commit=departure,kitchen=unknown`; or a folder or file that
    /// `bench` or `sim dispatch` wrote with --out.
    a: String,
    /// What it is compared with, likewise.
    b: String,
    #[command(flatten)]
    which: Which,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Days of a comparison unless told otherwise: with fewer, intervals are wide.
const DAYS_COMPARED: u64 = 10;

/// Runs days and reports their figures.
///
/// # Errors
/// A wrong city file; a solution that is not feasible: status 1.
pub async fn dispatch(what: Dispatch) -> Result<()> {
    stoppable(move |stop, bar| {
        let days = what.which.days(1)?;
        let options = what.how.options(days.seed);
        if let Some(out) = &what.out {
            fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
        }
        let worked = all_of(&days, &options, what.out.as_deref(), stop, bar)?;
        let json = worked.json(&days.city);
        if let Some(out) = &what.out {
            let file = out.join("summary.json");
            fs::write(&file, format!("{json:#}\n")).with_context(|| format!("cannot write {}", file.display()))?;
        }
        match what.output {
            Output::Json => answer(&table::json(&json)),
            Output::Table => {
                let (head, rows) = worked.summary.table();
                answer(&table::table(&head, &rows));
                answer(&format!("\n{}", worked.total_disruptions().sentences()));
            }
        }
        tell_violations(&worked.outcomes)
    })
    .await
}

/// Reports which of two policies is better.
///
/// # Errors
/// Neither policies nor results, nothing in common, a wrong city file.
pub async fn compare(what: Compare) -> Result<()> {
    stoppable(move |stop, bar| {
        // Input errors are reported before the first day runs.
        let sides = [side(&what.a)?, side(&what.b)?];
        let days = what.which.days(DAYS_COMPARED)?;
        let is_worked = sides.iter().any(|side| matches!(side, Side::Policy(_)));
        for side in &sides {
            if let Side::Written(series) = side
                && is_worked
                && !series.is_of(&days.city)
            {
                bail!("{} is not of this city: give its settings with --city", series.label);
            }
        }
        let mut series = Vec::new();
        for (text, side) in [&what.a, &what.b].into_iter().zip(sides) {
            series.push(match side {
                Side::Written(series) => series,
                Side::Policy(PolicySpec(options)) => {
                    let worked = all_of(&days, &options, None, stop, bar)?;
                    tell_violations(&worked.outcomes)?;
                    Series::new(text, &worked.json(&days.city))?
                }
            });
        }
        let [a, b] = &series[..] else { bail!("two are compared") };
        let found = compare::compare(a, b)?;
        match what.output {
            Output::Json => answer(&table::json(&compare::json(a, b, &found))),
            Output::Table => {
                let (head, rows) = compare::table(&found);
                answer(&format!("A: {}\nB: {}\n", a.label, b.label));
                answer(&table::table(&head, &rows));
                answer("\nLess is better in all of them. A difference counts when its 95 % interval leaves out zero.");
            }
        }
        Ok(())
    })
    .await
}

enum Side {
    Written(Series),
    Policy(PolicySpec),
}

fn side(text: &str) -> Result<Side> {
    let path = Path::new(text);
    if path.exists() {
        return Ok(Side::Written(Series::load(text, path)?));
    }
    match text.parse() {
        Ok(spec) => Ok(Side::Policy(spec)),
        Err(why) => Err(Failure::usage(format!("{text:?} is neither a file nor a policy: {why}"))),
    }
}

/// Runs all days, or fails when a signal stops it.
fn all_of(
    days: &Days,
    options: &DayOptions,
    out: Option<&Path>,
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> Result<DaysResult> {
    // A bar that has been cleared is not drawn again.
    bar.reset();
    let worked = run_days(days, options, out, stop, bar)?;
    if stop.load(Ordering::Relaxed) {
        bail!("stopped; there are no figures");
    }
    Ok(worked)
}

async fn stoppable(work: impl FnOnce(&AtomicBool, &ProgressBar) -> Result<()> + Send + 'static) -> Result<()> {
    let stop = stop_token()?;
    let stopping = Arc::new(AtomicBool::new(false));
    let bar = progress();
    let work = {
        let (stopping, bar) = (stopping.clone(), bar.clone());
        tokio::task::spawn_blocking(move || work(&stopping, &bar))
    };
    tokio::select! {
        done = work => done.context("the simulation broke")?,
        () = stop.cancelled() => {
            // Running days are not awaited: their threads end with the process.
            stopping.store(true, Ordering::Relaxed);
            bar.finish_and_clear();
            Ui::new().clear();
            bail!("stopped; there are no figures");
        }
    }
}
