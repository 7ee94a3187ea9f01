//! One recorded day against a platform, and the proof afterwards that every order ended well.

mod cast;
pub mod checks;
mod day;
pub mod evidence;
mod progress;
mod report;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use pannier_contracts::OrderId;
use pannier_contracts::zone::DispatchPolicy;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::checks::ProofSource;
pub use self::report::Summary;
use self::report::{Ending, Report};
use pannier_city::clock::Clock;
use pannier_client::Api;
use pannier_client::Target;
use pannier_client::journal::Journal;
use pannier_instance::Instance;

/// What to replay, where, how fast.
pub struct ReplayOptions {
    /// A folder in the format of [`pannier_instance`].
    pub instance_dir: PathBuf,
    /// How many times faster than real time the city lives.
    pub speed: f64,
    /// How the replay's zone decides who carries what.
    pub dispatch: DispatchPolicy,
    /// Where `summary.json`, `report.json` and the journal go.
    pub report_dir: Option<PathBuf>,
    /// The platform.
    pub target: Target,
    /// Where the checks read what became of the day.
    pub proof: ProofSource,
}

/// Plays the day, checks, prints the table, writes the report. The exit status follows [`Summary::is_clean`].
///
/// # Errors
/// When the instance is bad, the platform cannot be set up or checked, or `shutdown` came first.
pub async fn run(options: ReplayOptions, shutdown: CancellationToken) -> anyhow::Result<Summary> {
    anyhow::ensure!(options.speed > 0.0 && options.speed <= 1_000.0, "--speed must be between 0 and 1000");
    let instance = Arc::new(Instance::load(&options.instance_dir)?);
    let started = Instant::now();
    let folder = match &options.report_dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("pannier-replay-{}", uuid::Uuid::now_v7().simple())),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let journal_path = folder.join("journal.jsonl");

    // The bots stop when the day is over; whoever reads afterwards goes on.
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
    let cast = tokio::select! {
        () = shutdown.cancelled() => anyhow::bail!("stopped"),
        cast = cast::set_up(&api, &instance, options.speed, options.dispatch) => cast?,
    };
    let clock = Clock::start(instance.first_minute() as f64 - 1.0, options.speed);
    let placed = day::play(&api, &instance, &cast, clock, &options.proof, &shutdown).await?;

    let reader = Api::new(options.target.clone(), None, shutdown.clone())?;
    let endings = read_endings(&reader, &instance, &cast, &placed.orders).await?;
    let mut findings = checks::run(&options.proof, &journal_path).await?;
    while checks::stuck(&findings) > 0 && Instant::now() < placed.settle_until && !shutdown.is_cancelled() {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        findings = checks::run(&options.proof, &journal_path).await?;
    }
    // What did not move before anybody helped is as stuck as what is left afterwards.
    if let Some(stuck) = findings.iter_mut().find(|finding| finding.name == placed.stuck_before.name) {
        stuck.count += placed.stuck_before.count;
        stuck.details.extend(placed.stuck_before.details.iter().map(|detail| format!("before tidying up: {detail}")));
    }
    let report = Report::new(&instance, clock, options.dispatch, endings, findings, placed.troubles, started.elapsed());
    report.print();
    if options.report_dir.is_some() {
        report.write(&folder)?;
        println!("Report in {}", folder.display());
    } else {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(report.summary)
}

/// How every order ended, from the platform itself.
async fn read_endings(
    api: &Arc<Api>,
    instance: &Instance,
    cast: &cast::Cast,
    orders: &[Result<OrderId, String>],
) -> anyhow::Result<Vec<Ending>> {
    use futures::StreamExt as _;
    let ops = pannier_client::Ops::new(api, "replay");
    let read = |(n, placed): (usize, &Result<OrderId, String>)| {
        let (file, ops) = (instance.orders[n].clone(), ops.clone());
        let (placed, customer) = (placed.clone(), cast.customer(api, &file.id));
        async move {
            let id = match placed {
                Ok(id) => id,
                Err(why) => return Ok(Ending::not_placed(&file, why)),
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
            Ok(Ending { file, order: Some(order), not_placed: None, last_round })
        }
    };
    let endings = futures::stream::iter(orders.iter().enumerate().map(read)).buffered(16);
    endings.collect::<Vec<_>>().await.into_iter().collect()
}
