//! The process: reads the settings, starts logging, builds the service, runs it until a stop signal.

use merchant_svc::app::{App, Settings};
use pannier_platform::stop::run_program;
use pannier_platform::{Telemetry, config};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings: Settings = config::load("MERCHANT", include_str!("../config/default.toml"))?;
    let _telemetry = Telemetry::start("merchant-svc")?;
    run_program(async |stop| App::build(settings, stop).await, App::ending, async |app| app.run().await).await
}
