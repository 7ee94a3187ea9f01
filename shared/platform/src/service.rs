//! What every service process consists of. A service's `app.rs` adds its own parts.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::web::{self, Data};
use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::auth::Verifier;
use crate::broker::Broker;
use crate::event_log::EventLog;
use crate::http::health::{Health, Startup};
use crate::http::server::Listening;
use crate::http::{health, ops, server};
use crate::relay::Relay;
use crate::retention::{self, RetentionPeriods, RetentionRules};
use crate::stop::Ending;
use crate::telemetry::admin::{self, Admin};
use crate::telemetry::gauges::{Gauges, Read};
use crate::telemetry::stages::LogMeter;
use crate::tls::ServerConfig;
use crate::{Db, Instance, Metrics, Namespace, Stop, Tasks, Tls, TlsSettings, consumer, dead_letters, schema_version};

/// Settings that every service has, flattened into its own. Secrets print as `[REDACTED]`.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// The address to listen on. Port 0 takes a free one.
    pub http_bind: String,
    /// The address of the admin port: metrics and probes. Port 0 takes a free one.
    pub admin_bind: String,
    /// Seconds between SIGTERM and the end of serving, 0 to 30: at least two checks of whatever balances between instances.
    pub drain_s: u64,
    /// Threads that serve HTTP.
    pub http_workers: usize,
    /// `postgres://…`, with the service's own login role. `sslmode=require` or `sslmode=verify-full` for TLS.
    pub database_url: SecretString,
    /// The most connections to the database.
    pub pool_size: usize,
    /// `amqp://…`, or `amqps://…` for TLS.
    pub amqp_url: SecretString,
    /// The instance's name, unique among the running instances of the service. Empty: host name and port.
    #[serde(default)]
    pub instance: String,
    /// [`RetentionPeriods::history`] in days, 7 to 3,650.
    pub keep_days: u64,
    /// [`RetentionPeriods::answers`] in hours, 24 to 720.
    pub keep_answers_hours: u64,
    /// Prefix of exchanges, queues and Redis keys.
    pub namespace: Namespace,
    /// File, or `http://` or `https://` URL, of the JWKS that tokens are checked with.
    pub auth_jwks: String,
    /// Certificates.
    #[serde(flatten)]
    pub tls: TlsSettings,
}

/// What the programs of the services differ in.
#[derive(Clone, Copy)]
pub struct Program {
    /// `order-svc`, in metrics and traces.
    pub name: &'static str,
    /// The newest migration of its own tables; the service waits for it.
    pub migration: &'static str,
    /// Its own gauges.
    pub gauges: Read,
}

/// A service process before it runs. It has bound its ports, and its schema is one that it knows.
#[derive(Debug)]
pub struct Service {
    /// This process; leases are held in its name.
    pub instance: Instance,
    /// The service's database.
    pub db: Db,
    /// The broker, under the platform's namespace.
    pub broker: Broker,
    /// The event log of the database.
    pub log: EventLog,
    /// Ends what another instance can do: consumers, relay, timers, dispatchers, streams. It comes before [`Self::stop`].
    pub draining: Stop,
    /// Stops the process.
    pub stop: Stop,
    /// The long-lived tasks of the process.
    pub tasks: Tasks,
    /// What is deleted by age beside what every service deletes. Set it before [`Self::run`].
    pub retention_rules: RetentionRules,
    /// How old rows have to be before they are deleted.
    pub periods: RetentionPeriods,
    /// The process's meters.
    pub metrics: Metrics,
    /// What is counted from the log. Set it before [`Self::run`].
    pub meter: LogMeter,
    /// How TLS is spoken to other servers.
    pub tls: Tls,
    ending: Ending,
    admin_address: SocketAddr,
    health: Health,
    verifier: Verifier,
    listener: TcpListener,
    /// What the public port serves TLS with.
    server_tls: Option<ServerConfig>,
    workers: usize,
    database_url: SecretString,
}

impl Service {
    /// Binds the ports, creates the parts, and waits for the schema. Meanwhile only the admin port answers.
    ///
    /// # Errors
    /// When a port is taken, the JWKS cannot be read, a setting is invalid (the error names it), or the schema needs newer
    /// programs.
    pub async fn build(settings: &Settings, program: Program, stop: Stop) -> anyhow::Result<Self> {
        anyhow::ensure!(settings.drain_s <= 30, "drain_s is 0 to 30");
        let (tls, server_tls) = (settings.tls.peers()?, settings.tls.server()?);
        let (listener, admin) = (listen(&settings.http_bind)?, listen(&settings.admin_bind)?);
        let metrics = Metrics::new(program.name, env!("CARGO_PKG_VERSION"));
        let draining = stop.child_token();
        let time = Duration::from_secs(settings.drain_s);
        let ending = Ending { draining: draining.clone(), stop: stop.clone(), time };
        let instance = Instance::named(match settings.instance.trim() {
            "" => format!("{}:{}", host_name(), listener.local_addr()?.port()),
            name => name.to_owned(),
        });
        let database_url = settings.database_url.clone();
        let db = Db::with_tls(database_url.expose_secret(), settings.pool_size, &tls)?.measured_by(metrics.clone());
        let broker = Broker {
            url: settings.amqp_url.expose_secret().to_owned(),
            tls: tls.clone(),
            namespace: settings.namespace.clone(),
        };
        let verifier = Verifier::load(&settings.auth_jwks, &tls).await?;
        let log = EventLog::new(db.clone());
        let tasks = Tasks::new(draining.clone(), stop.clone());
        let workers = settings.http_workers;
        let periods = RetentionPeriods::new(settings.keep_days, settings.keep_answers_hours)?;
        let startup = Startup::default();
        let health =
            Health { db: db.clone(), broker: broker.clone(), draining: draining.clone(), startup: startup.clone() };
        let admin_address = admin.local_addr()?;
        tracing::info!(instance = instance.name(), admin = %admin_address, "{} starts", program.name);
        tasks.until_stop("admin port", {
            let gauges = Gauges::new(db.clone(), program.name, program.gauges);
            let shown = Admin { metrics: metrics.clone(), gauges, db: db.clone(), health: health.clone() };
            let stop = stop.clone();
            async move {
                if let Err(e) = admin::serve(admin, shown, stop).await {
                    tracing::error!(error = format!("{e:#}"), "the admin port cannot be served");
                }
            }
        });
        schema_version::wait(&db, program.migration, &startup, &stop).await?;
        Ok(Self {
            instance,
            db,
            broker,
            log,
            draining,
            stop,
            tasks,
            retention_rules: RetentionRules::default(),
            periods,
            metrics,
            meter: LogMeter::default(),
            tls,
            ending,
            admin_address,
            health,
            verifier,
            listener,
            server_tls,
            workers,
            database_url,
        })
    }

    /// The address of its admin port.
    ///
    /// # Errors
    /// When the operating system does not know it.
    pub fn admin_address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.admin_address)
    }

    /// How it ends when the process is asked to.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.ending.clone()
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// When the operating system does not know it.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Consumes one queue while the process runs.
    pub fn consume<H: consumer::Handler>(&self, handler: H) {
        self.tasks.essential(
            H::QUEUE,
            consumer::run(self.db.clone(), self.broker.clone(), self.periods, handler, self.draining.clone()),
        );
    }

    /// Runs the parts until `stop`, then ends within ten seconds. `exchange` is where the relay publishes, `consumer` the first
    /// part of the names of the service's queues, `routes` its HTTP endpoints.
    ///
    /// # Errors
    /// When the HTTP server cannot start, or another process runs under this instance's name.
    pub async fn run<F>(self, exchange: &'static str, consumer: &'static str, routes: F) -> anyhow::Result<()>
    where
        F: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    {
        let (instance, address, admin) = (self.instance.clone(), self.address()?, self.admin_address()?);
        let scheme = if self.server_tls.is_some() { "https" } else { "http" };
        tracing::info!(instance = instance.name(), %address, %admin, "{exchange} service listens on {scheme}://{address}");
        let (db, broker, stop) = (self.db.clone(), self.broker.clone(), self.stop.clone());
        let draining = self.draining.clone();
        // Until it drains: then it is no instance that leases are shared with.
        self.tasks.essential("instance", {
            let (instance, url, tls, stop) = (instance.clone(), self.database_url, self.tls, draining.clone());
            async move {
                if let Err(e) = instance.hold_name(url.expose_secret(), &tls, stop).await {
                    tracing::error!(error = format!("{e:#}"), "the instance cannot take its name");
                }
            }
        });
        // Requests listen to it until the end.
        self.tasks.until_stop("event log", self.log.clone().run(stop.clone()));
        let relay = Relay::new(db.clone(), self.log.clone(), broker.clone(), exchange, self.meter);
        let blocked = Data::new(relay.blocked());
        self.tasks.essential("relay", relay.run(instance.clone(), draining.clone()));
        self.tasks
            .essential("retention", retention::run(db.clone(), self.periods, self.retention_rules, draining.clone()));
        self.tasks
            .essential("dead letters", dead_letters::collect(db.clone(), broker.clone(), consumer, draining.clone()));

        let (health, metrics) = (Data::new(self.health), Data::new(self.metrics));
        let (db, broker, verifier) = (Data::new(db), Data::new(broker), Data::new(self.verifier));
        // Streams end when draining begins, so that their clients go to another instance.
        let (draining, periods) = (Data::new(draining), Data::new(self.periods));
        let public = Listening { socket: self.listener, tls: self.server_tls, workers: self.workers };
        server::serve(public, stop, move |config| {
            config
                .app_data(health.clone())
                .app_data(metrics.clone())
                .app_data(db.clone())
                .app_data(broker.clone())
                .app_data(blocked.clone())
                .app_data(verifier.clone())
                .app_data(draining.clone())
                .app_data(periods.clone())
                .configure(health::routes)
                .configure(ops::routes)
                .configure(routes.clone());
        })
        .await?;
        self.tasks.finish(Duration::from_secs(4)).await;
        anyhow::ensure!(
            !instance.is_duplicate(),
            "another process runs as instance '{}' on this database: give each a name of its own (setting `instance`)",
            instance.name()
        );
        Ok(())
    }
}

fn listen(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
}

/// The host name; in Kubernetes the pod's.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
