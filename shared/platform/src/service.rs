//! What every service process is made of, so that a service's `app.rs` says only what is its own.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::web::{self, Data};
use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::auth::Verifier;
use crate::broker::Broker;
use crate::event_log::EventLog;
use crate::http::health::Health;
use crate::http::{health, ops, server};
use crate::relay::Relay;
use crate::retention::{self, RetentionPeriods, RetentionRules};
use crate::{Db, Instance, Namespace, Stop, Tasks, consumer, dead_letters};

/// Settings that every service has; flattened into its own. Secrets print as `[REDACTED]`.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// Where to listen: `127.0.0.1:0` takes a free port.
    pub http_bind: String,
    /// Threads that serve HTTP.
    pub http_workers: usize,
    /// `postgres://…`: the service's own login role.
    pub database_url: SecretString,
    /// Connections to it at most.
    pub pool_size: usize,
    /// `amqp://…`.
    pub amqp_url: SecretString,
    /// The instance's name, unique among those of this service that run. Empty: the machine's name and the port.
    #[serde(default)]
    pub instance: String,
    /// Days that what has happened is kept: events, rounds, what was applied, late events, settled dead letters.
    pub keep_days: u64,
    /// Hours that answers are kept for requests that come again; quotes, too.
    pub keep_answers_hours: u64,
    /// Prefix of everything shared.
    pub namespace: Namespace,
    /// File or URL of the keys that tokens are checked with.
    pub auth_jwks: String,
}

/// A service before it runs: connected to nothing yet, listening already.
#[derive(Debug)]
pub struct Service {
    /// This process, which leases are held by.
    pub instance: Instance,
    /// The database.
    pub db: Db,
    /// The broker.
    pub broker: Broker,
    /// The event log.
    pub log: EventLog,
    /// The signal to stop.
    pub stop: Stop,
    /// The long-lived tasks.
    pub tasks: Tasks,
    /// What it forgets beside what every service does.
    pub retention_rules: RetentionRules,
    /// How long things are kept.
    pub periods: RetentionPeriods,
    verifier: Verifier,
    listener: TcpListener,
    workers: usize,
    database_url: SecretString,
}

impl Service {
    /// Binds the port and prepares the rest.
    ///
    /// # Errors
    /// When the port is taken, or a setting is of no use; the message names it.
    pub async fn build(settings: &Settings, stop: Stop) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(&settings.http_bind)
            .with_context(|| format!("cannot listen on {}", settings.http_bind))?;
        let instance = Instance::named(match settings.instance.trim() {
            "" => format!("{}:{}", host_name(), listener.local_addr()?.port()),
            name => name.to_owned(),
        });
        let database_url = settings.database_url.clone();
        let db = Db::new(database_url.expose_secret(), settings.pool_size)?;
        let broker =
            Broker { url: settings.amqp_url.expose_secret().to_owned(), namespace: settings.namespace.clone() };
        let verifier = Verifier::load(&settings.auth_jwks).await?;
        let log = EventLog::new(db.clone());
        let tasks = Tasks::new(stop.clone());
        let workers = settings.http_workers;
        let periods = RetentionPeriods::new(settings.keep_days, settings.keep_answers_hours)?;
        Ok(Self {
            instance,
            db,
            broker,
            log,
            stop,
            tasks,
            retention_rules: RetentionRules::default(),
            periods,
            verifier,
            listener,
            workers,
            database_url,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Consumes news of one foreign aggregate while the service runs.
    pub fn consume<H: consumer::Handler>(&self, handler: H) {
        self.tasks.essential(
            H::QUEUE,
            consumer::run(self.db.clone(), self.broker.clone(), self.periods, handler, self.stop.clone()),
        );
    }

    /// Publishes into `exchange`, collects `consumer`'s dead letters, serves HTTP; until `stop`, then all ends within ten seconds.
    ///
    /// # Errors
    /// When the HTTP server cannot start, or another process runs under this instance's name.
    pub async fn run<F>(self, exchange: &'static str, consumer: &'static str, routes: F) -> anyhow::Result<()>
    where
        F: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    {
        let (instance, address) = (self.instance.clone(), self.address()?);
        tracing::info!(instance = instance.name(), %address, "{exchange} service listens on {address}");
        let (db, broker, stop) = (self.db.clone(), self.broker.clone(), self.stop.clone());
        self.tasks.essential("instance", {
            let (instance, url, stop) = (instance.clone(), self.database_url, stop.clone());
            async move {
                if let Err(e) = instance.keep(url.expose_secret(), stop).await {
                    tracing::error!(error = format!("{e:#}"), "the instance has no name");
                }
            }
        });
        self.tasks.essential("event log", self.log.clone().run(stop.clone()));
        let relay = Relay::new(db.clone(), self.log.clone(), broker.clone(), exchange);
        let blocked = Data::new(relay.blocked());
        self.tasks.essential("relay", relay.run(instance.clone(), stop.clone()));
        self.tasks.essential("retention", retention::run(db.clone(), self.periods, self.retention_rules, stop.clone()));
        self.tasks.essential("dead letters", dead_letters::collect(db.clone(), broker.clone(), consumer, stop.clone()));

        let health = Data::new(Health { db: db.clone(), broker: broker.clone(), stop: stop.clone() });
        let (db, broker, verifier) = (Data::new(db), Data::new(broker), Data::new(self.verifier));
        let (stop_data, periods) = (Data::new(stop.clone()), Data::new(self.periods));
        server::serve(self.listener, stop, self.workers, move |config| {
            config
                .app_data(health.clone())
                .app_data(db.clone())
                .app_data(broker.clone())
                .app_data(blocked.clone())
                .app_data(verifier.clone())
                .app_data(stop_data.clone())
                .app_data(periods.clone())
                .configure(health::routes)
                .configure(ops::routes)
                .configure(routes.clone());
        })
        .await?;
        self.tasks.finish(Duration::from_secs(4)).await;
        anyhow::ensure!(
            !instance.is_refused(),
            "another process runs as instance '{}' on this database: give each a name of its own (setting `instance`)",
            instance.name()
        );
        Ok(())
    }
}

/// The machine's name: a pod's in a cluster.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
