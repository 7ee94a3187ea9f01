//! Reads the settings, builds the service, and runs it until the process is asked to stop.

use order_svc::app::{App, Settings};
use pannier_platform::stop::run_program;
use pannier_platform::{Telemetry, config};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings: Settings = config::load("ORDER", include_str!("../config/default.toml"))?;
    let _telemetry = Telemetry::start("order-svc")?;
    run_program(async |stop| App::build(settings, stop).await, App::ending, async |app| app.run().await).await
}
