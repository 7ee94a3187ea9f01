//! The process: reads the settings, builds the service, and runs it until a stop signal.

use dispatch_svc::app::{App, Settings};
use pannier_platform::{Stop, Telemetry, config, stop};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings: Settings = config::load("DISPATCH", include_str!("../config/default.toml"))?;
    let _telemetry = Telemetry::start("dispatch-svc")?;
    let stop = Stop::new();
    let app = App::build(settings, stop.clone()).await?;
    tokio::spawn(async move {
        stop::shutdown_requested().await;
        stop.cancel();
    });
    app.run().await
}
