//! The process: reads the settings, starts logging, builds the service, runs it until a stop signal.

use merchant_svc::app::{App, Settings};
use pannier_platform::{Stop, Telemetry, config, stop};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings: Settings = config::load("MERCHANT", include_str!("../config/default.toml"))?;
    let _telemetry = Telemetry::start("merchant-svc")?;
    let stop = Stop::new();
    let app = App::build(settings, stop.clone()).await?;
    tokio::spawn(async move {
        stop::shutdown_requested().await;
        stop.cancel();
    });
    app.run().await
}
