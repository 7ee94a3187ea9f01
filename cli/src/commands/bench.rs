//! `pannier bench`: dispatch measured on recorded days, without a platform; and the cost of an order, on a private one.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use pannier_lab::bench::explain::explain_worst_orders;
use pannier_lab::bench::report::{Reference, page};
use pannier_lab::bench::run::{self, Outcome};
use pannier_lab::bench::solution::{Commit, DayOptions, Kitchen, PolicyName};
use pannier_lab::bench::summary::Summary;

use super::signals::stop_token;
use crate::failure::Failure;
use crate::table::{self, Output};
use pannier_devenv::ui::{Ui, answer};

/// The benchmarks.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Days in the format of the Meal Delivery Routing Problem library: the engine runs each of them on a virtual clock.
    Mdrp(Mdrp),
    /// What an order costs, tap to door, on a private platform in the release profile: CPU, transactions, bytes, limits.
    Orders(super::bench_orders::BenchOrders),
}

/// What `mdrp` takes.
#[derive(Debug, clap::Args)]
pub struct Mdrp {
    /// Folders with an instance's files, or with such folders.
    #[arg(required = true)]
    dir: Vec<PathBuf>,
    #[command(flatten)]
    how: How,
    /// The seed of the engine's search: the same seed gives the same solutions.
    #[arg(long, default_value_t = DayOptions::default().seed)]
    seed: u64,
    /// A folder for the solutions, `summary.json` and `report.html`. Without it nothing is written.
    #[arg(long)]
    out: Option<PathBuf>,
    /// A CSV with the columns instance, policy and gap_to_bound: what others reach, drawn in the report.
    #[arg(long)]
    reference: Option<PathBuf>,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// How the engine runs a day.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct How {
    /// The dispatch algorithm.
    #[arg(long, default_value = "horizon", value_parser = words::<PolicyName>(PolicyName::NAMES))]
    policy: PolicyName,
    /// Whether idle couriers are sent to where orders are expected.
    #[arg(long, default_value = "on", value_parser = on_or_off(), action = clap::ArgAction::Set)]
    reposition: bool,
    /// Until when the orders of a trip may change.
    #[arg(long, default_value = "pickup", value_parser = words::<Commit>(Commit::NAMES))]
    commit: Commit,
    /// What the engine knows about ready times.
    #[arg(long, default_value = "known", value_parser = words::<Kitchen>(Kitchen::NAMES))]
    kitchen: Kitchen,
}

impl How {
    pub(super) fn options(self, seed: u64) -> DayOptions {
        let Self { policy, reposition, commit, kitchen } = self;
        DayOptions { policy, reposition, commit, kitchen, seed }
    }
}

fn words<T: FromStr<Err = String> + Clone + Send + Sync + 'static>(
    words: &'static [&'static str],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

fn on_or_off() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["on", "off"]).map(|word| word == "on")
}

/// How many violations of one day are printed.
const VIOLATIONS_TOLD: usize = 10;

/// Runs the command.
///
/// # Errors
/// Bad input, named with file and line; a solution that is not feasible: status 1.
pub async fn run(data: &Path, what: Bench) -> Result<()> {
    let what = match what {
        Bench::Mdrp(what) => what,
        Bench::Orders(what) => return super::bench_orders::run(data, what).await,
    };
    let stop = stop_token()?;
    let stopping = Arc::new(AtomicBool::new(false));
    let bar = run::progress();
    let work = {
        let (stopping, bar) = (stopping.clone(), bar.clone());
        tokio::task::spawn_blocking(move || mdrp(&what, &stopping, &bar))
    };
    tokio::select! {
        done = work => done.context("the benchmark broke")?,
        () = stop.cancelled() => {
            // Running days are not awaited: their threads end with the process.
            stopping.store(true, Ordering::Relaxed);
            bar.finish_and_clear();
            bail!("stopped; there is no summary");
        }
    }
}

fn mdrp(what: &Mdrp, stop: &AtomicBool, bar: &indicatif::ProgressBar) -> Result<()> {
    let options = what.how.options(what.seed);
    // Input errors are reported before the first day runs.
    let instances = run::load(&what.dir)?;
    let reference = what.reference.as_deref().map(Reference::load).transpose()?.unwrap_or_default();
    if let Some(out) = &what.out {
        fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    }
    let mut outcomes = run::run_all(instances, &options, what.out.as_deref(), stop, bar)?;
    if stop.load(Ordering::Relaxed) {
        bail!("stopped; there is no summary");
    }
    let named = outcomes.iter().map(|o| (o.instance.name.clone(), o.metrics)).collect();
    let summary = Summary { options, instances: named };
    if let Some(out) = &what.out {
        explain_worst_orders(&mut outcomes, &options);
        let write = |name: &str, text: String| {
            let file = out.join(name);
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
        };
        write("summary.json", format!("{:#}\n", summary.json()))?;
        write("report.html", page(&outcomes, &summary, &reference)?)?;
    }
    match what.output {
        Output::Json => answer(&table::json(&summary.json())),
        Output::Table => {
            let (head, rows) = summary.table();
            answer(&table::table(&head, &rows));
        }
    }
    tell_violations(&outcomes)
}

pub(super) fn tell_violations(outcomes: &[Outcome]) -> Result<()> {
    let ui = Ui::new();
    let bad: Vec<_> = outcomes.iter().filter(|o| !o.violations.is_empty()).collect();
    for outcome in &bad {
        let name = &outcome.instance.name;
        for violation in outcome.violations.iter().take(VIOLATIONS_TOLD) {
            ui.note(&format!("{name}: {violation}"));
        }
        if outcome.violations.len() > VIOLATIONS_TOLD {
            ui.note(&format!("{name}: and {} more", outcome.violations.len() - VIOLATIONS_TOLD));
        }
    }
    if bad.is_empty() {
        return Ok(());
    }
    ui.note(&format!("pannier: {} of {} solutions are not feasible", bad.len(), outcomes.len()));
    Err(Failure::Silent(1).into())
}
