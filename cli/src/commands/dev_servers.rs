//! `pannier dev-servers`: private PostgreSQL, Redis and RabbitMQ for services and tests that are started by hand.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use super::signals::stop_token;
use pannier_devenv::data_dir::DataDir;
use pannier_devenv::servers::{self, Durability, ExternalServers, ServerUrls};
use pannier_devenv::supervisor::Supervisor;
use pannier_devenv::ui::Ui;

/// The environment variables that tests read the servers' URLs from.
pub fn test_env(urls: &ServerUrls) -> [(&'static str, &str); 3] {
    [
        ("PANNIER_TEST_DATABASE_URL", &urls.database),
        ("PANNIER_TEST_AMQP_URL", &urls.amqp),
        ("PANNIER_TEST_REDIS_URL", &urls.redis),
    ]
}

/// Starts the servers, prints their URLs as shell exports, runs until a signal stops it.
///
/// # Errors
/// A server does not start.
pub async fn run(data: &Path) -> Result<()> {
    let stop = stop_token()?;
    let ui = Ui::new();
    let data = Arc::new(DataDir::lock(data)?);
    let supervisor = Supervisor::start(data.clone(), ui.clone())?;
    let external = ExternalServers::default();
    let started = tokio::select! {
        started = servers::start(&supervisor, &data, &external, Durability::Throwaway, &ui) => started,
        () = stop.cancelled() => Err(anyhow::anyhow!("stopped")),
    };
    ui.clear();
    if let Ok(urls) = &started {
        for (name, url) in test_env(urls) {
            println!("export {name}='{url}'");
        }
        stop.cancelled().await;
    }
    supervisor.stop(&servers::NAMES).await;
    supervisor.finish()?;
    started.map(drop)
}
