//! A replay: bots play a recorded day against a platform, then SQL checks prove that no order was lost, doubled or stuck.

pub mod checks;
mod day;
pub mod evidence;
pub mod gateway;
mod outcome;
mod participants;
mod progress;
mod report;
mod summary;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use pannier_contracts::OrderId;
use pannier_contracts::zone::DispatchAlgorithm;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::checks::ProofSource;
use self::day::Day;
use self::outcome::Outcome;
use self::participants::Participants;
use self::report::Report;
use self::summary::Played;
pub use self::summary::Summary;
use pannier_city::clock::Clock;
use pannier_client::journal::Journal;
use pannier_client::{Api, Ops, Target};
use pannier_instance::Instance;

/// Settings of a replay.
pub struct ReplayOptions {
    /// A folder in the format of [`pannier_instance`].
    pub instance_dir: PathBuf,
    /// City time per real time: 0.1 to 1000.
    pub speed: f64,
    /// Dispatch policy of the replay's zone.
    pub dispatch: DispatchAlgorithm,
    /// Folder for `summary.json`, `report.json` and the journal; none writes no files.
    pub report_dir: Option<PathBuf>,
    /// The platform to call.
    pub target: Target,
    /// What the checks read, past the public APIs.
    pub proof: ProofSource,
}

/// Plays the day, runs the checks, prints the table and writes the report. [`Summary::is_clean`] is the verdict.
///
/// # Errors
/// When the instance is invalid, the platform cannot be set up or checked, or `shutdown` came first.
pub async fn run(options: ReplayOptions, shutdown: CancellationToken) -> anyhow::Result<Summary> {
    anyhow::ensure!((0.1..=1_000.0).contains(&options.speed), "--speed must be between 0.1 and 1000");
    let instance = Instance::load(&options.instance_dir)?;
    let started = Instant::now();
    let folder = match &options.report_dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("pannier-replay-{}", uuid::Uuid::now_v7().simple())),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let journal_path = folder.join("journal.jsonl");

    // The bots stop at the end of the day; the calls that read the result afterwards do not.
    let bots = shutdown.child_token();
    let api = Api::new(options.target.clone(), Some(Journal::create(&journal_path)?), bots.clone())?;
    println!(
        "Replaying {}: {} orders, {} couriers, {} restaurants, {}x, dispatched by {}",
        instance.name,
        instance.orders.len(),
        instance.couriers.len(),
        instance.restaurants.len(),
        options.speed,
        options.dispatch
    );
    let participants = tokio::select! {
        () = shutdown.cancelled() => anyhow::bail!("stopped"),
        made = participants::set_up(&api, &instance, options.speed, options.dispatch) => made?,
    };
    let clock = Clock::start(instance.first_minute() as f64 - 1.0, options.speed);
    let day = Day::new(&api, &instance, &participants, clock).play(&options.proof, &shutdown).await?;

    let reader = Api::new(options.target.clone(), None, shutdown.clone())?;
    let outcomes = read_outcomes(&reader, &instance, &participants, &day.orders).await?;
    let mut findings = checks::run(&options.proof, &journal_path).await?;
    while checks::stuck(&findings) > 0 && Instant::now() < day.settle_until && !shutdown.is_cancelled() {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        findings = checks::run(&options.proof, &journal_path).await?;
    }
    // What was stuck before open orders were cancelled counts, too.
    if let Some(stuck) = findings.iter_mut().find(|finding| finding.name == day.stuck_before.name) {
        stuck.count += day.stuck_before.count;
        stuck.details.extend(day.stuck_before.details.iter().map(|detail| format!("before tidying up: {detail}")));
    }
    let (policy, warnings, took) = (options.dispatch, day.warnings, started.elapsed());
    let report = Report::new(&instance, Played { clock, policy, outcomes, findings, warnings, took });
    report.print();
    if options.report_dir.is_some() {
        report.write(&folder)?;
        println!("Report in {}", folder.display());
    } else {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(report.summary)
}

/// Reads from the platform how every order ended.
async fn read_outcomes(
    api: &Arc<Api>,
    instance: &Instance,
    participants: &Participants,
    orders: &[Result<OrderId, String>],
) -> anyhow::Result<Vec<Outcome>> {
    use futures::StreamExt as _;
    let ops = Ops::new(api, "replay");
    let read = |(n, placed): (usize, &Result<OrderId, String>)| {
        let (file, ops) = (instance.orders[n].clone(), ops.clone());
        let (placed, customer) = (placed.clone(), participants.customer(api, &file.id));
        async move {
            let id = match placed {
                Ok(id) => id,
                Err(reason) => return Ok(Outcome::not_placed(&file, reason)),
            };
            let order = customer.read(id).await.with_context(|| format!("order {id} cannot be read"))?;
            customer.sign_out();
            let is_delivered = order.state == pannier_contracts::order::OrderState::Delivered;
            let delivery = order.delivery.as_ref().map(|d| d.id).filter(|_| !is_delivered);
            let rounds = match delivery {
                Some(delivery) => ops.rounds(delivery).await.unwrap_or_default(),
                None => Vec::new(),
            };
            let last_round = rounds.into_iter().max_by_key(|r| r.at);
            Ok(Outcome { file, order: Some(order), not_placed: None, last_round })
        }
    };
    let outcomes = futures::stream::iter(orders.iter().enumerate().map(read)).buffered(16);
    outcomes.collect::<Vec<_>>().await.into_iter().collect()
}
