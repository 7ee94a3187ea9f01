//! Builds the service from its settings: everything that this process runs is constructed here.
//!
//! `build` and `run` return boxed futures, so that the service is compiled here, once, and not again in every program and test
//! that runs it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use pannier_platform::retention::RetentionRules;
use pannier_platform::stop::Ending;
use pannier_platform::telemetry::stages::LogMeter;
use pannier_platform::{Service, Stop, service, timers};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Notify;

use crate::fleet::{Fleet, PositionQueue, positions};
use crate::http;
use crate::messaging::on_order::OnOrder;
use crate::store::{self, IS_OPEN, gauges, rounds};
use crate::tasks::city::CityCache;
use crate::tasks::dispatcher::Dispatcher;
use crate::tasks::offer_meter::OfferMeter;
use crate::tasks::planner::Planner;
use crate::tasks::pricing::Pricing;
use crate::tasks::sweeper;
use crate::tasks::timers::DispatchTimers;

/// The settings; `config/default.toml` explains each.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// Those that every service has.
    #[serde(flatten)]
    pub service: service::Settings,
    /// The Redis that keeps positions: `redis://…`, or `rediss://…` for TLS.
    pub redis_url: SecretString,
    /// The most positions that may wait to be written.
    pub locations_waiting: usize,
    /// The time budget of a zone's plan, milliseconds.
    pub plan_budget_ms: u64,
}

/// The service, built and not yet running.
#[derive(Debug)]
pub struct App {
    service: Service,
    positions: PositionQueue,
    planner: Arc<Planner>,
    city: Arc<CityCache>,
    pricing: Pricing,
    timer_nudge: Arc<Notify>,
}

const PROGRAM: service::Program =
    service::Program { name: "dispatch-svc", migration: store::MIGRATION, gauges: gauges::read };

impl App {
    /// Binds the port and starts the tasks, which end at `stop`.
    ///
    /// # Errors
    /// When a setting is out of its bounds, or the database or the port cannot be used; the message names it.
    pub fn build(settings: Settings, stop: Stop) -> BoxFuture<'static, anyhow::Result<Self>> {
        Self::build_parts(settings, stop).boxed()
    }

    async fn build_parts(settings: Settings, stop: Stop) -> anyhow::Result<Self> {
        let budget = Duration::from_millis(settings.plan_budget_ms);
        anyhow::ensure!((1..=10_000).contains(&settings.plan_budget_ms), "plan_budget_ms is 1 to 10000");
        let mut service = Service::build(&settings.service, PROGRAM, stop.clone()).await?;
        service.retention_rules = RetentionRules { tables: &[rounds::RETENTION], is_open: Some(IS_OPEN) };
        service.meter = LogMeter::new(OfferMeter::new(&service.metrics));
        let db = service.db.clone();
        let (holder, draining) = (service.instance.clone(), service.draining.clone());
        let fleet = Fleet::new(settings.redis_url.expose_secret(), &service.tls, settings.service.namespace.clone())?;

        service.consume(OnOrder);
        let (positions, writer) = positions::channel(db.clone(), fleet.clone(), settings.locations_waiting);
        // Riders report their positions until the end.
        service.tasks.until_stop("positions", writer.run(stop));
        let timer_nudge = Arc::new(Notify::new());
        let timers = timers::run(db.clone(), Arc::new(DispatchTimers), Arc::clone(&timer_nudge), draining.clone());
        service.tasks.essential("timers", timers);
        let planner = Arc::new(Planner::new(budget, &service.metrics));
        let city = Arc::new(CityCache::new(db.clone()));
        let pricing = Pricing::new(db.clone(), fleet.clone(), Arc::clone(&city));
        let dispatcher = Dispatcher::new(db.clone(), fleet, Arc::clone(&planner), Arc::clone(&city));
        service.tasks.essential("dispatcher", dispatcher.run(service.log.clone(), holder.clone(), draining.clone()));
        service.tasks.essential("sweeper", sweeper::run(db, holder, draining));
        Ok(Self { service, positions, planner, city, pricing, timer_nudge })
    }

    /// The address at which it listens.
    ///
    /// # Errors
    /// When the socket has no address.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        self.service.address()
    }

    /// How it ends when the process is asked to.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.service.ending()
    }

    /// The address of the admin port.
    ///
    /// # Errors
    /// As [`Self::address`].
    pub fn admin_address(&self) -> anyhow::Result<SocketAddr> {
        self.service.admin_address()
    }

    /// Makes the timers look for due ones at once. For tests that move time in the database.
    #[must_use]
    pub fn timer_nudge(&self) -> Arc<Notify> {
        Arc::clone(&self.timer_nudge)
    }

    /// The city in memory. For tests that compare it with the tables.
    #[must_use]
    pub fn city(&self) -> Arc<CityCache> {
        Arc::clone(&self.city)
    }

    /// Runs until the stop signal.
    ///
    /// # Errors
    /// When the HTTP server cannot start.
    pub fn run(self) -> BoxFuture<'static, anyhow::Result<()>> {
        self.run_parts().boxed()
    }

    async fn run_parts(self) -> anyhow::Result<()> {
        let (log, positions) = (Data::new(self.service.log.clone()), Data::new(self.positions));
        let (planner, city, pricing) = (Data::new(self.planner), Data::new(self.city), Data::new(self.pricing));
        self.service
            .run("dispatch", "dispatch", move |config| {
                config
                    .app_data(log.clone())
                    .app_data(positions.clone())
                    .app_data(planner.clone())
                    .app_data(city.clone())
                    .app_data(pricing.clone())
                    .configure(http::routes);
            })
            .await
    }
}
