//! Private PostgreSQL, Redis and RabbitMQ servers of one data folder, with their own ports, passwords and processes.
//! They use installed or downloaded programs and change nothing else on the machine.

pub mod find;
pub mod postgres;
pub mod prometheus;
pub mod rabbitmq;
pub mod redis;
pub mod run_as;
pub mod server;
pub mod tool;
pub mod unpack;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::data_dir::DataDir;
use crate::servers::server::Server;
use crate::supervisor::{Supervisor, Watch};
use crate::ui::Ui;

/// The names of the server processes, in `status`.
pub const NAMES: [&str; 4] = ["postgres", "redis", "rabbitmq", "epmd"];

/// The URLs of the servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrls {
    /// PostgreSQL, as a superuser. The URL may name any database.
    pub database: String,
    /// RabbitMQ.
    pub amqp: String,
    /// Redis.
    pub redis: String,
}

impl ServerUrls {
    /// The URLs by the names of `status`.
    pub fn named(&self) -> [(String, String); 3] {
        [("postgres", &self.database), ("rabbitmq", &self.amqp), ("redis", &self.redis)]
            .map(|(name, url)| (name.to_owned(), url.clone()))
    }
}

/// URLs of servers that run already. Those servers are not started.
#[derive(Debug, Clone, Default)]
pub struct ExternalServers {
    /// `DATABASE_URL`
    pub database: Option<String>,
    /// `AMQP_URL`
    pub amqp: Option<String>,
    /// `REDIS_URL`
    pub redis: Option<String>,
}

impl ExternalServers {
    /// From `DATABASE_URL`, `AMQP_URL` and `REDIS_URL`.
    pub fn from_env() -> Self {
        let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self { database: var("DATABASE_URL"), amqp: var("AMQP_URL"), redis: var("REDIS_URL") }
    }
}

/// What a server may lose when the machine crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that was acknowledged.
    Durable,
    /// As `Durable`. PostgreSQL also counts statements, if `pg_stat_statements` is installed. For benchmarks.
    Measured,
    /// Everything: the data is deleted after the tests.
    Throwaway,
}

/// Starts the servers for which no URL is given, and waits until all answer.
///
/// # Errors
/// A server is not installed and cannot be downloaded, or it does not start. The message says what to do.
pub async fn start(
    supervisor: &Supervisor,
    data: &Arc<DataDir>,
    external: &ExternalServers,
    durability: Durability,
    ui: &Ui,
) -> Result<ServerUrls> {
    let wanted: Vec<Server> = [
        (Server::Postgres, external.database.is_none()),
        (Server::Redis, external.redis.is_none()),
        (Server::RabbitMq, external.amqp.is_none()),
    ]
    .into_iter()
    .filter_map(|(server, wanted)| wanted.then_some(server))
    .collect();
    // Finding and downloading programs blocks. On a thread of its own it does not delay the handling of signals.
    let (data_dir, shown) = (data.clone(), ui.clone());
    let tools = tokio::task::spawn_blocking(move || find::locate(&wanted, &data_dir, &shown)).await??;
    let tool = |server| tools.iter().find(|tool| tool.server == server);

    // RabbitMQ starts slowest, so it is first. PostgreSQL creates its cluster meanwhile.
    let rabbitmq = tool(Server::RabbitMq).map(|tool| rabbitmq::start(supervisor, data, tool)).transpose()?;
    let redis = tool(Server::Redis).map(|tool| redis::start(supervisor, data, tool)).transpose()?;
    let postgres =
        tool(Server::Postgres).map(|tool| postgres::start(supervisor, data, tool, durability)).transpose()?;

    let places = [
        ("postgres", url_of(postgres.as_ref(), &external.database)),
        ("redis", url_of(redis.as_ref(), &external.redis)),
        ("rabbitmq", url_of(rabbitmq.as_ref(), &external.amqp)),
    ];
    supervisor.publish(|state| {
        state.urls.extend(places.into_iter().filter_map(|(name, url)| Some((name.to_owned(), url?))));
    })?;
    let (database, redis, amqp) = tokio::try_join!(
        settled(postgres, &external.database, "PostgreSQL", postgres::answers),
        settled(redis, &external.redis, "Redis", redis::answers),
        settled(rabbitmq, &external.amqp, "RabbitMQ", rabbitmq::answers),
    )?;
    Ok(ServerUrls { database, amqp, redis })
}

/// A server that was started and may not be ready yet.
#[derive(Debug)]
pub struct Started {
    /// Its URL with credentials.
    pub url: String,
    /// Its process.
    pub watch: Watch,
}

fn url_of(started: Option<&Started>, external: &Option<String>) -> Option<String> {
    started.map(|started| started.url.clone()).or_else(|| external.clone())
}

async fn settled<F>(started: Option<Started>, external: &Option<String>, name: &str, answers: F) -> Result<String>
where
    F: AsyncFn(&str) -> bool,
{
    if let Some(started) = started {
        started.watch.ready(Duration::from_secs(90), async || answers(&started.url).await).await?;
        return Ok(started.url);
    }
    let url = external.clone().with_context(|| format!("{name} was neither given nor started"))?;
    anyhow::ensure!(
        !asks_for_tls(&url),
        "{name}: a platform that is started here uses servers without TLS; run the services by themselves to use it"
    );
    let once = tokio::time::timeout(Duration::from_secs(10), answers(&url)).await;
    anyhow::ensure!(once.unwrap_or(false), "{name} does not answer at the given URL");
    Ok(url)
}

/// The tools around a platform that is started here, such as probes, checks and meters, speak no TLS.
fn asks_for_tls(url: &str) -> bool {
    let has_mode = |mode: &str| url.split(['?', '&']).any(|part| part.strip_prefix("sslmode=") == Some(mode));
    ["amqps://", "rediss://"].iter().any(|scheme| url.starts_with(scheme))
        || has_mode("require")
        || has_mode("verify-full")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_ask_for_tls_are_recognised() {
        for url in ["amqps://a:b@c/", "rediss://c:6379", "postgres://a@c/d?x=1&sslmode=verify-full"] {
            assert!(asks_for_tls(url), "{url}");
        }
        for url in ["amqp://a:b@c/", "redis://c:6379", "postgres://a@c/d?sslmode=disable", "postgres://a@c/d"] {
            assert!(!asks_for_tls(url), "{url}");
        }
    }
}
