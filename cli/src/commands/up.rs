//! `pannier up`: runs the whole platform, with a demo city, until a signal stops it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use pannier_instance::Point;
use pannier_platform::Tls;
use pannier_platform::auth::Role;
use tokio_util::sync::CancellationToken;

use super::live_line::LiveLine;
use super::signals::stop_token;
use super::token::hand;
use pannier_client::Service;
use pannier_devenv::platform::env_prefix;

use crate::client::Client;
use crate::target::TargetArgs;
use pannier_devenv::platform::{Options, Platform};
use pannier_devenv::servers::{Durability, ExternalServers};
use pannier_devenv::ui::Ui;

const DEV_TOKEN: Duration = Duration::from_secs(12 * 3_600);
/// How often the status line is refreshed: on a terminal, and elsewhere.
const REFRESH: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];
/// How long the curl line waits for the demo city's first shops.
const FIRST_SHOPS: Duration = Duration::from_secs(20);

/// What to start.
#[derive(Debug, Clone)]
pub struct Up {
    /// The data folder.
    pub data_dir: PathBuf,
    /// Whether to run the demo city.
    pub demo: bool,
    /// Speed of the demo city, as a multiple of real time.
    pub speed: f64,
    /// Processes of each service.
    pub instances: usize,
    /// Whether to run Prometheus.
    pub observe: bool,
}

/// Starts everything and runs until Ctrl-C.
///
/// # Errors
/// What does not start, in one sentence.
pub async fn run(options: Up) -> Result<()> {
    let began = Instant::now();
    let stop = stop_token()?;
    let ui = Ui::new();
    let what = Options {
        data_dir: options.data_dir.clone(),
        namespace: "pannier".to_owned(),
        external: ExternalServers::from_env(),
        durability: Durability::Durable,
        instances: options.instances,
        observe: options.observe,
    };
    let started = Platform::start(&what, &ui, &stop).await;
    ui.clear();
    let platform = started?;
    let lived = tokio::select! {
        lived = live(&platform, &options, &ui, began, &stop) => lived,
        () = stop.cancelled() => Ok(()),
    };
    ui.doing("stopping");
    platform.stop().await;
    ui.clear();
    ui.note("stopped");
    lived
}

async fn live(platform: &Platform, options: &Up, ui: &Ui, began: Instant, stop: &CancellationToken) -> Result<()> {
    ui.answer(&addresses(platform)?);
    if options.demo {
        platform.start_demo(options.speed)?;
        ui.note(&format!("\nA demo city lives here at {}×; the platform itself runs in real time.", options.speed));
    }
    let curl = curl_line(platform)?;
    if options.demo {
        ui.doing("waiting for the first shops of the demo city");
        wait_for_shops(platform).await?;
    }
    ui.answer(&format!("\nShops near the middle of the city:\n\n  {curl}\n\nCtrl-C stops everything.\n"));

    let mut line = LiveLine::new(Client::new(TargetArgs::default().resolve(&options.data_dir)?)?);
    let every = if ui.is_terminal() { REFRESH[0] } else { REFRESH[1] };
    // The first delivery is announced at once: it shows a new user that everything works.
    let mut shown = Instant::now();
    let mut first = options.demo;
    while !stop.is_cancelled() {
        let text = line.read().await;
        if first && line.delivered() > 0 {
            first = false;
            ui.note(&format!("first order delivered {} s after the start", began.elapsed().as_secs()));
        }
        if ui.is_terminal() || shown.elapsed() >= every {
            ui.doing(&text);
            shown = Instant::now();
        }
        tokio::time::sleep(REFRESH[0]).await;
    }
    Ok(())
}

fn addresses(platform: &Platform) -> Result<String> {
    let mut lines = vec!["Pannier runs. To call it by hand:\n".to_owned()];
    for service in Service::ALL {
        lines.push(format!("  export {}={}", env_prefix(service), platform.url(service.name())));
    }
    let prometheus = platform.url("prometheus");
    if !prometheus.is_empty() {
        lines.push(format!("\n  Alerts: {prometheus}/alerts\n"));
    }
    for role in [Role::Customer, Role::Merchant, Role::Rider, Role::Ops] {
        let token = platform.signer.mint(role, &hand(role), DEV_TOKEN)?;
        lines.push(format!("  export {}_TOKEN={token}", role.to_string().to_uppercase()));
    }
    lines.push(format!("\nTokens live 12 h. Data and logs: {}", platform.data.root().display()));
    Ok(lines.join("\n"))
}

fn middle() -> Result<String> {
    let place = Point { x: 0.0, y: 0.0 }.place()?;
    let place = serde_json::to_value(place)?;
    Ok(format!("lat={}&lng={}", place["lat"], place["lng"]))
}

fn curl_line(platform: &Platform) -> Result<String> {
    let token = platform.signer.mint(Role::Customer, &hand(Role::Customer), DEV_TOKEN)?;
    let url = platform.url(Service::Order.name());
    Ok(format!("curl -s -H 'Authorization: Bearer {token}' '{url}/v1/merchants?{}'", middle()?))
}

async fn wait_for_shops(platform: &Platform) -> Result<()> {
    let token = platform.signer.mint(Role::Customer, &hand(Role::Customer), DEV_TOKEN)?;
    let url = format!("{}/v1/merchants?{}", platform.url(Service::Order.name()), middle()?);
    let client = Tls::default().http().build()?;
    let deadline = Instant::now() + FIRST_SHOPS;
    while Instant::now() < deadline {
        let answer = client.get(&url).bearer_auth(&token).timeout(Duration::from_secs(3)).send().await;
        if let Ok(answer) = answer
            && let Ok(list) = answer.json::<serde_json::Value>().await
            && list["data"].as_array().is_some_and(|shops| !shops.is_empty())
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // The line is printed even when the city is slow to start.
    Ok(())
}
