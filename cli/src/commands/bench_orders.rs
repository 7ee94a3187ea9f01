//! `pannier bench orders`: the cost of an order, on a private platform that is measured from outside.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use futures::FutureExt as _;
use pannier_load::bench::Bench;
use pannier_load::growth::base_for;
use pannier_load::ladder::{self, COMPARED_AT};
use pannier_load::report::{Report, Searches};
use pannier_load::{DeliveredMessages, SystemUnderTest, growth, placing, positions, streams};
use tokio_util::sync::CancellationToken;

use super::signals::stop_token;
use super::test::{project_root, remove_old};
use crate::failure::Failure;
use crate::table::{self, Output};
use crate::target::Addresses;
use pannier_devenv::platform::{Options, Platform, own_folder};
use pannier_devenv::servers::find;
use pannier_devenv::servers::server::Server;
use pannier_devenv::servers::{Durability, ExternalServers, rabbitmq};
use pannier_devenv::ui::{Ui, answer};

/// Data folders of runs.
const PREFIX: &str = "bench-";

/// Arguments of `bench orders`.
#[derive(Debug, clap::Args)]
pub struct BenchOrders {
    /// How long a rate has to be sustained. Measurements that are only compared with each other take a third of it.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(3..=3_600))]
    seconds: u64,
    /// Measures this rate alone, orders a second, instead of looking for the highest.
    #[arg(long)]
    rate: Option<f64>,
    /// Processes of each service: 1 to 4.
    #[arg(long, default_value_t = 1, value_parser = super::instances())]
    instances: usize,
    /// Riders on shift, instead of as many as suit the rate.
    #[arg(long)]
    riders: Option<usize>,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Finished orders in the tables when growth with history is measured.
    #[arg(long, default_value_t = 1_000_000)]
    history: u64,
    /// A folder for `orders.json`.
    #[arg(long)]
    out: Option<PathBuf>,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// A part of the benchmark. Each gets a platform of its own, so that no part is slowed by the rows of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Part {
    /// Placing orders, compared with a bare loop of inserts.
    Placing,
    /// Orders from tap to door: the highest rate, and the cost of one.
    Lives,
    /// The cost of open streams.
    Streams,
    /// Rider positions and radius searches.
    Positions,
    /// The cost of an order under more load, and with a million finished orders.
    Growth,
}

/// Runs it, in the release profile.
///
/// # Errors
/// The build or the platform fails, or a part cannot be measured; the parts before it are reported nevertheless.
pub async fn run(data: &Path, what: BenchOrders) -> Result<()> {
    check(&what)?;
    if cfg!(debug_assertions) {
        // Both the platform and its clients run in the profile that is deployed.
        return Err(become_release_build());
    }
    let stop = stop_token()?;
    remove_old(data, PREFIX);
    let parts: BTreeSet<Part> = match what.only.as_slice() {
        [] => Part::value_variants().iter().copied().collect(),
        some => some.iter().copied().collect(),
    };
    let ui = Ui::new();
    let mut report = Report::default();
    let mut measured = Ok(());
    for part in parts {
        measured = measure_alone(data, &what, part, &mut report, &ui, &stop).await;
        ui.clear();
        if measured.is_err() {
            break;
        }
    }
    // Parts that were measured before a failure or Ctrl-C are reported.
    if !report.is_empty() {
        tell(&what, &report)?;
    }
    measured
}

fn tell(what: &BenchOrders, report: &Report) -> Result<()> {
    let text = format!("{}\n", report.json()?);
    if let Some(out) = &what.out {
        let file = out.join("orders.json");
        let written = fs::create_dir_all(out).and_then(|()| fs::write(&file, &text));
        written.with_context(|| format!("cannot write {}", file.display()))?;
    }
    match what.output {
        Output::Json => answer(&text),
        Output::Table => answer(&table::table(&["FIGURE", "VALUE", "BESIDE IT"], &report.rows())),
    }
    Ok(())
}

fn check(what: &BenchOrders) -> Result<()> {
    if what.rate.is_some_and(|rate| !(0.1..=1_000.0).contains(&rate)) {
        return Err(Failure::usage("--rate must be between 0.1 and 1000"));
    }
    if what.riders.is_some_and(|riders| !(1..=20_000).contains(&riders)) {
        return Err(Failure::usage("--riders must be between 1 and 20000"));
    }
    Ok(())
}

/// Builds in the release profile, raises the limit of open files, and replaces this process by the built program.
/// Returns only on failure.
fn become_release_build() -> anyhow::Error {
    let ui = Ui::new();
    ui.note("building in the release profile: what is measured is what would be deployed. The first time takes some minutes.");
    let built = Command::new("cargo")
        .args(["build", "--release", "--workspace"])
        .current_dir(project_root())
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status();
    match built {
        Ok(status) if status.success() => {}
        Ok(_) => return Failure::Silent(1).into(),
        Err(error) => return anyhow::Error::new(error).context("cannot run cargo"),
    }
    let program = match own_folder() {
        Ok(debug) => debug.join("../release/pannier"),
        Err(error) => return error,
    };
    let error = Command::new("/bin/sh")
        .args(["-c", "ulimit -n \"$(ulimit -H -n)\" 2>/dev/null; exec \"$0\" \"$@\""])
        .arg(&program)
        .args(std::env::args_os().skip(1))
        .exec();
    anyhow::Error::new(error).context(format!("cannot run {}", program.display()))
}

/// Starts a platform for one part, measures, stops it. Its folder is kept when something went wrong.
async fn measure_alone(
    data: &Path,
    what: &BenchOrders,
    part: Part,
    report: &mut Report,
    ui: &Ui,
    stop: &CancellationToken,
) -> Result<()> {
    let name = part.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    ui.note(&format!("=== {name}"));
    let data_dir = data.join(format!("{PREFIX}{}-{name}", std::process::id()));
    let options = Options {
        data_dir: data_dir.clone(),
        namespace: "bench".to_owned(),
        external: ExternalServers::default(),
        durability: Durability::Measured,
        instances: what.instances,
        observe: false,
    };
    let started = Platform::start(&options, ui, stop).await;
    ui.clear();
    let platform = started?;
    let work = stop.child_token();
    let measured = match system_of(&platform, ui, &work).await {
        Ok(system) => tokio::select! {
            measured = measure(part, what, &system, report) => measured,
            () = stop.cancelled() => Err(anyhow::anyhow!("stopped")),
        },
        Err(error) => Err(error),
    };
    // Clients end before the services: none of them retries while the next part is measured.
    work.cancel();
    ui.doing("stopping the platform");
    platform.stop().await;
    drop(platform);
    ui.clear();
    match measured {
        Ok(()) => fs::remove_dir_all(&data_dir).with_context(|| format!("cannot remove {}", data_dir.display())),
        Err(error) if stop.is_cancelled() => {
            // The logs of a run that was stopped on purpose are not kept.
            let _ = fs::remove_dir_all(&data_dir);
            Err(error)
        }
        Err(error) => {
            Err(error
                .context(format!("{name} could not be measured; data and logs are kept in {}", data_dir.display())))
        }
    }
}

async fn system_of(platform: &Platform, ui: &Ui, stop: &CancellationToken) -> Result<SystemUnderTest> {
    let state = platform.data.state();
    let addresses = Addresses::in_data_dir(&platform.data)?;
    let target = addresses.target(None, None)?;
    let (database_url, redis_url) = (addresses.url("postgres")?, addresses.url("redis")?);
    let processes = state.processes.into_iter().map(|(name, id)| (name, id.pid)).collect();
    let progress = {
        let ui = ui.clone();
        Arc::new(move |text: &str| ui.note(text))
    };
    let delivered_messages = delivered_messages(platform, ui).await?;
    Ok(SystemUnderTest { target, database_url, redis_url, processes, delivered_messages, progress, stop: stop.clone() })
}

async fn delivered_messages(platform: &Platform, ui: &Ui) -> Result<DeliveredMessages> {
    let (data, shown) = (platform.data.clone(), ui.clone());
    let tools = tokio::task::spawn_blocking(move || find::locate(&[Server::RabbitMq], &data, &shown)).await??;
    let node = platform.data.state().processes.get("rabbitmq").map(|id| id.pid);
    Ok(Arc::new(move || {
        let tool = tools.first().cloned();
        async move { rabbitmq::delivered_messages(&tool?, node?).await }.boxed()
    }))
}

async fn measure(part: Part, what: &BenchOrders, system: &SystemUnderTest, report: &mut Report) -> Result<()> {
    let full = Duration::from_secs(what.seconds);
    let third = (full / 3).max(Duration::from_secs(3));
    let highest = report.lives.as_ref().and_then(|lives| lives.lives_per_s);
    match part {
        Part::Placing => report.placing = Some(placing::measure(system, third).await?),
        Part::Lives => {
            let mut bench = Bench::new(system).await?;
            report.lives = Some(ladder::climb(&mut bench, full, what.rate, what.riders).await?);
        }
        Part::Streams => {
            let mut bench = Bench::new(system).await?;
            let rate = what.rate.unwrap_or_else(|| highest.map_or(COMPARED_AT, |highest| COMPARED_AT.min(highest)));
            report.streams = Some(streams::measure(&mut bench, rate, third, what.riders).await?);
        }
        Part::Positions => {
            report.positions = Some(positions::measure(system, third / 2).await?);
            report.searches = searches(system, third / 2).await?;
        }
        Part::Growth => {
            let mut bench = Bench::new(system).await?;
            let base = what.rate.unwrap_or_else(|| base_for(highest));
            report.growth = Some(growth::measure(&mut bench, base, third, what.history).await?);
        }
    }
    Ok(())
}

/// Ring searches are dispatch-svc's: a program of its own measures them, and prints one JSON object per city.
async fn searches(system: &SystemUnderTest, lasting: Duration) -> Result<Vec<Searches>> {
    let program = own_folder()?.join("bench_fleet");
    ensure!(program.is_file(), "{} is missing: build the whole workspace", program.display());
    let out = tokio::process::Command::new(&program)
        .env("REDIS_URL", &system.redis_url)
        .env("SECONDS_EACH", lasting.as_secs_f64().to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !out.status.success() {
        bail!("{} failed", program.display());
    }
    let text = String::from_utf8(out.stdout)?;
    let searches: Vec<Searches> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    for s in &searches {
        system.log(&format!(
            "{} riders: {:.0} ring searches/s, {:.0}/s in one set",
            s.riders, s.ring_per_s, s.one_key_per_s
        ));
    }
    Ok(searches)
}
