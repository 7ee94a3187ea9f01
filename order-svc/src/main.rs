//! Reads the settings, builds the service, and runs it until the process is asked to stop.

use order_svc::app::{App, Settings};
use pannier_platform::{Stop, Telemetry, config};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings: Settings = config::load("ORDER", include_str!("../config/default.toml"))?;
    let _telemetry = Telemetry::start("order-svc")?;
    let app = App::build(settings, Stop::new()).await?;
    tokio::spawn(app.ending().on_request());
    app.run().await
}
