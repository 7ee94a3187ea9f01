//! `pannier sim`: a recorded day against a platform, dispatch on made-up cities, and the demo city's own process.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use futures::FutureExt as _;
use pannier_contracts::zone::DispatchPolicy;
use pannier_platform::auth::Signer;
use pannier_sim::city::{self, CityOptions};
use pannier_sim::replay::{self, ReplayOptions};
use pannier_sim::{Minter, Target};
use serde_json::Value;

use super::faults::{self, Fault};
use super::signals::stop_token;
use super::sim_dispatch::{self, Compare, Dispatch};
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::platform::{Options, Platform};
use crate::servers::{Durability, Given};
use crate::ui::Ui;

/// Tokens of bots: longer than any replay.
const BOT_TOKEN: Duration = Duration::from_secs(12 * 3_600);

/// Which simulation.
#[derive(Debug, Subcommand)]
pub enum Sim {
    /// Plays a recorded day through the public APIs, then checks that every order ended well.
    Replay {
        /// A folder with the instance's files.
        dir: PathBuf,
        /// How many times faster than real time the city lives.
        #[arg(long, default_value_t = 60.0)]
        speed: f64,
        /// How the zone decides who carries what.
        #[arg(long, default_value = "horizon", value_parser = dispatch_policy())]
        policy: DispatchPolicy,
        /// A folder for `summary.json` and the journal.
        #[arg(long)]
        report: Option<PathBuf>,
        /// Processes of each service on the private platform: 1 to 4.
        #[arg(long, default_value_t = 1, value_parser = super::instances(), conflicts_with = "target")]
        instances: usize,
        /// Breaks something on the private platform, so many seconds after the start and for so long:
        /// `lock:SCHEMA.TABLE`, `freeze:PROCESS` or `alarm:rabbitmq`, then `@AFTER+SECONDS`. May be given several times.
        #[arg(long, value_name = "KIND:WHAT@AFTER+SECONDS", conflicts_with = "target")]
        fault: Vec<Fault>,
        /// A running platform, as a file with what `status --output json` prints. Without it, a private one is started.
        #[arg(long)]
        target: Option<PathBuf>,
    },
    /// Dispatch on days of a made-up city, without a platform: orders, riders and mishaps follow from a seed.
    Dispatch(Dispatch),
    /// Whether one policy is better than another: paired differences over the same days, with confidence intervals.
    Compare(Compare),
    /// The demo city over the platform that runs in the data folder.
    #[command(hide = true)]
    City {
        /// How many times faster than real time the city lives.
        #[arg(long, default_value_t = CityOptions::default().speed)]
        speed: f64,
    },
}

/// Runs it.
///
/// # Errors
/// The platform does not start, or a check found something: status 1.
pub async fn run(data: &Path, what: Sim) -> Result<()> {
    match what {
        Sim::Replay { dir, speed, policy, report, instances, fault, target } => {
            let instance_dir = dir.clone();
            let options = |target| ReplayOptions { instance_dir, speed, dispatch: policy, report_dir: report, target };
            match target {
                Some(file) => replay_on(options(target_in_file(&file)?)).await,
                None => {
                    // Before a platform is started for nothing.
                    pannier_sim::instance::Instance::load(&dir)?;
                    replay_alone(data, instances, &fault, options).await
                }
            }
        }
        Sim::Dispatch(what) => sim_dispatch::dispatch(what).await,
        Sim::Compare(what) => sim_dispatch::compare(what).await,
        Sim::City { speed } => {
            pannier_platform::logging::start();
            let state = serde_json::to_value(DataDir::at(data).state())?;
            let target = target_of(&state["urls"], &DataDir::at(data).path("keys"))?;
            city::run(target, CityOptions { speed, ..CityOptions::default() }, stop_token()?).await
        }
    }
}

fn dispatch_policy() -> impl TypedValueParser<Value = DispatchPolicy> {
    PossibleValuesParser::new(DispatchPolicy::ALL.iter().map(|p| p.as_str())).try_map(|word| word.parse())
}

async fn replay_on(options: ReplayOptions) -> Result<()> {
    let summary = replay::run(options, stop_token()?).await?;
    if summary.is_clean() { Ok(()) } else { Err(Failure::Silent(1).into()) }
}

async fn replay_alone(
    data: &Path,
    instances: usize,
    broken: &[Fault],
    options: impl FnOnce(Target) -> ReplayOptions,
) -> Result<()> {
    let stop = stop_token()?;
    let ui = Ui::new();
    let data_dir = data.join(format!("replay-{}", std::process::id()));
    let what = Options {
        data_dir: data_dir.clone(),
        namespace: "replay".to_owned(),
        given: Given::default(),
        durability: Durability::Durable,
        instances,
    };
    let started = Platform::start(&what, &ui, &stop).await;
    ui.clear();
    let platform = started?;
    ui.note(&format!("a platform for this replay runs in {}", platform.data.root().display()));
    let urls = serde_json::to_value(platform.data.state().urls)?;
    let result = match target_of(&urls, &platform.data.path("keys")) {
        Ok(target) => {
            let (day, faults) = (replay::run(options(target), stop), faults::run(broken, &platform, &ui));
            tokio::pin!(day, faults);
            tokio::select! {
                // A day that ends first has shown too little.
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

fn target_in_file(file: &Path) -> Result<Target> {
    let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let env: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not what `pannier status --output json` prints", file.display()))?;
    let data_dir = env["data_dir"].as_str().with_context(|| format!("{} names no data_dir", file.display()))?;
    target_of(&env["urls"], &Path::new(data_dir).join("keys"))
}

pub(super) fn target_of(urls: &Value, keys: &Path) -> Result<Target> {
    let url = |name: &str| {
        let url = urls[name].as_str().map(|url| url.trim_end_matches('/').to_owned());
        url.ok_or_else(|| Failure::unreachable(format!("{name} is not running there")))
    };
    let signer = Signer::load_or_create(keys)?;
    // A token that could not be made is refused by the first service that sees it, with a problem that says so.
    let minter: Minter = Arc::new(move |role, subject| signer.mint(role, subject, BOT_TOKEN).unwrap_or_default());
    Ok(Target {
        order_url: url("order-svc")?,
        merchant_url: url("merchant-svc")?,
        dispatch_url: url("dispatch-svc")?,
        gateway_url: url("gateway")?,
        admin_database_url: url("postgres")?,
        minter,
    })
}
