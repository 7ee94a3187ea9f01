//! The process: reads the settings, starts logging, builds the service, runs it until a stop signal.

use merchant_svc::app::{App, Settings};
use pannier_platform::{Stop, Telemetry, config};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings: Settings = config::load("MERCHANT", include_str!("../config/default.toml"))?;
    let _telemetry = Telemetry::start("merchant-svc")?;
    let app = App::build(settings, Stop::new()).await?;
    tokio::spawn(app.ending().on_request());
    app.run().await
}
