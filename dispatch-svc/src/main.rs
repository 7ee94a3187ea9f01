//! The process: reads the settings, builds the service, and runs it until a stop signal.

use dispatch_svc::app::{App, Settings};
use pannier_platform::{Stop, Telemetry, config};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings: Settings = config::load("DISPATCH", include_str!("../config/default.toml"))?;
    let _telemetry = Telemetry::start("dispatch-svc")?;
    let app = App::build(settings, Stop::new()).await?;
    tokio::spawn(app.ending().on_request());
    app.run().await
}
