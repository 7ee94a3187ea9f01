//! `pannier sim`: a recorded day against a platform, dispatch on synthetic cities, and the demo city's own process.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use futures::FutureExt as _;
use pannier_city::demo::{self, CityOptions};
use pannier_contracts::zone::DispatchAlgorithm;
use pannier_replay::{ProofSource, ReplayOptions};

use super::faults::{self, Fault};
use super::signals::stop_token;
use super::sim_dispatch::{self, Compare, Dispatch};
use crate::failure::Failure;
use crate::target::{Addresses, TargetArgs};
use pannier_devenv::platform::{Options, Platform};
use pannier_devenv::servers::{Durability, ExternalServers};
use pannier_devenv::ui::Ui;

/// Commands on simulated cities.
#[derive(Debug, Subcommand)]
pub enum Sim {
    /// Replays a recorded day through the public APIs, then checks that no order is lost, doubled or stuck.
    Replay {
        /// A folder with the instance's files.
        dir: PathBuf,
        /// Speed of the city, as a multiple of real time.
        #[arg(long, default_value_t = 60.0)]
        speed: f64,
        /// The dispatch algorithm of the replay's zone.
        #[arg(long, default_value = "horizon", value_parser = dispatch_algorithm())]
        policy: DispatchAlgorithm,
        /// A folder for `summary.json` and the journal.
        #[arg(long)]
        report: Option<PathBuf>,
        /// Processes of each service on the private platform: 1 to 4.
        #[arg(long, default_value_t = 1, value_parser = super::instances(), conflicts_with = "target")]
        instances: usize,
        /// A fault on the private platform, with its start and duration in seconds:
        /// `lock:SCHEMA.TABLE`, `freeze:PROCESS` or `alarm:rabbitmq`, then `@AFTER+SECONDS`. May be given several times.
        #[arg(long, value_name = "KIND:WHAT@AFTER+SECONDS", conflicts_with = "target")]
        fault: Vec<Fault>,
        /// A running platform, as a file with what `status --output json` prints. Without it, a private one is started.
        /// GATEWAY_API_KEY is the key of its payment gateway, unless its data folder is on this machine.
        #[arg(long)]
        target: Option<PathBuf>,
    },
    /// Dispatch on days of a synthetic city, without a platform: orders, riders and disruptions follow from a seed.
    Dispatch(Dispatch),
    /// Compares two policies: paired differences over the same days, with confidence intervals.
    Compare(Compare),
    /// The demo city over the platform that runs in the data folder.
    #[command(hide = true)]
    City {
        /// Speed of the city, as a multiple of real time.
        #[arg(long, default_value_t = CityOptions::default().speed)]
        speed: f64,
    },
}

/// Runs the command.
///
/// # Errors
/// The platform does not start, or a check found something: status 1.
pub async fn run(data: &Path, what: Sim) -> Result<()> {
    match what {
        Sim::Replay { dir, speed, policy, report, instances, fault, target } => {
            let instance_dir = dir.clone();
            let options = |on: &Addresses| {
                anyhow::Ok(ReplayOptions {
                    instance_dir,
                    speed,
                    dispatch: policy,
                    report_dir: report,
                    target: on.target(None, None)?,
                    proof: ProofSource {
                        database_url: on.url("postgres")?,
                        gateway_url: on.url("gateway")?,
                        gateway_key: on.gateway_key()?,
                    },
                })
            };
            match target {
                Some(file) => replay_on(options(&Addresses::in_file(&file)?)?).await,
                None => {
                    // Checked before a platform is started.
                    pannier_instance::Instance::load(&dir)?;
                    replay_alone(data, instances, &fault, options).await
                }
            }
        }
        Sim::Dispatch(what) => sim_dispatch::dispatch(what).await,
        Sim::Compare(what) => sim_dispatch::compare(what).await,
        Sim::City { speed } => {
            let _ = pannier_platform::Telemetry::start("pannier");
            let target = TargetArgs::default().resolve(data)?;
            demo::run(target, CityOptions { speed, ..CityOptions::default() }, stop_token()?).await
        }
    }
}

fn dispatch_algorithm() -> impl TypedValueParser<Value = DispatchAlgorithm> {
    PossibleValuesParser::new(DispatchAlgorithm::ALL.iter().map(|p| p.as_str())).try_map(|word| word.parse())
}

async fn replay_on(options: ReplayOptions) -> Result<()> {
    let summary = pannier_replay::run(options, stop_token()?).await?;
    if summary.is_clean() { Ok(()) } else { Err(Failure::Silent(1).into()) }
}

async fn replay_alone(
    data: &Path,
    instances: usize,
    broken: &[Fault],
    options: impl FnOnce(&Addresses) -> Result<ReplayOptions>,
) -> Result<()> {
    let stop = stop_token()?;
    let ui = Ui::new();
    let data_dir = data.join(format!("replay-{}", std::process::id()));
    let what = Options {
        data_dir: data_dir.clone(),
        namespace: "replay".to_owned(),
        external: ExternalServers::default(),
        durability: Durability::Durable,
        instances,
        observe: false,
    };
    let started = Platform::start(&what, &ui, &stop).await;
    ui.clear();
    let platform = started?;
    ui.note(&format!("a platform for this replay runs in {}", platform.data.root().display()));
    let options = Addresses::in_data_dir(&platform.data).and_then(|addresses| options(&addresses));
    let result = match options {
        Ok(options) => {
            let (day, faults) = (pannier_replay::run(options, stop), faults::run(broken, &platform, &ui));
            tokio::pin!(day, faults);
            tokio::select! {
                // A day that ends before its last fault proves nothing.
                day = &mut day => match faults.now_or_never() {
                    Some(Ok(())) => day,
                    Some(Err(error)) => Err(error),
                    None => Err(anyhow::anyhow!("the day was over before its last fault")),
                },
                happened = &mut faults => match happened {
                    Ok(()) => day.await,
                    Err(error) => Err(error),
                },
            }
        }
        Err(error) => Err(error),
    };
    platform.stop().await;
    drop(platform);
    match result {
        Ok(summary) if summary.is_clean() => {
            fs::remove_dir_all(&data_dir).with_context(|| format!("cannot remove {}", data_dir.display()))
        }
        Ok(_) => {
            ui.note(&format!("its data and logs are kept in {}", data_dir.display()));
            Err(Failure::Silent(1).into())
        }
        Err(error) => {
            Err(error.context(format!("the replay failed; its data and logs are kept in {}", data_dir.display())))
        }
    }
}
