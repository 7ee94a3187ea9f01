//! The one place that constructs things: read it to know what this process is made of.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use pannier_platform::retention::Forgets;
use pannier_platform::{Service, Stop, service, timers};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Notify;

use crate::fleet::{Fleet, Locations, locations};
use crate::http;
use crate::messaging::on_order::OnOrder;
use crate::store::{IS_OPEN, rounds};
use crate::tasks::dispatcher::Dispatcher;
use crate::tasks::gather::City;
use crate::tasks::planner::Planner;
use crate::tasks::sweeper;
use crate::tasks::timers::DispatchTimers;

/// See `config/default.toml`.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// What every service has.
    #[serde(flatten)]
    pub service: service::Settings,
    /// `redis://…`: where positions are kept.
    pub redis_url: SecretString,
    /// Positions that wait to be written, at most.
    pub locations_waiting: usize,
    /// How long a plan of a zone may take, milliseconds.
    pub plan_budget_ms: u64,
}

/// dispatch-svc, built and not yet running.
#[derive(Debug)]
pub struct App {
    service: Service,
    locations: Locations,
    planner: Arc<Planner>,
    city: Arc<City>,
    timer_nudge: Arc<Notify>,
}

impl App {
    /// Binds the port, starts the tasks.
    ///
    /// # Errors
    /// A sentence that names what is wrong with the settings.
    pub async fn build(settings: Settings, stop: Stop) -> anyhow::Result<Self> {
        let budget = Duration::from_millis(settings.plan_budget_ms);
        anyhow::ensure!((1..=10_000).contains(&settings.plan_budget_ms), "plan_budget_ms is 1 to 10000");
        let mut service = Service::build(&settings.service, stop.clone()).await?;
        service.forgets = Forgets { tables: &[rounds::FORGOTTEN], is_open: Some(IS_OPEN) };
        let db = service.db.clone();
        let holder = service.instance.clone();
        let fleet = Fleet::new(settings.redis_url.expose_secret(), settings.service.namespace.clone())?;

        service.consume(OnOrder);
        let (locations, writer) = locations::channel(db.clone(), fleet.clone(), settings.locations_waiting);
        service.tasks.essential("positions", writer.run(stop.clone()));
        let timer_nudge = Arc::new(Notify::new());
        let timers = timers::run(db.clone(), Arc::new(DispatchTimers), Arc::clone(&timer_nudge), stop.clone());
        service.tasks.essential("timers", timers);
        let planner = Arc::new(Planner::new(budget));
        let city = Arc::new(City::new(db.clone()));
        let dispatcher = Dispatcher::new(db.clone(), fleet, Arc::clone(&planner), Arc::clone(&city));
        service.tasks.essential("dispatcher", dispatcher.run(service.log.clone(), holder.clone(), stop.clone()));
        service.tasks.essential("sweeper", sweeper::run(db, holder, stop));
        Ok(Self { service, locations, planner, city, timer_nudge })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        self.service.address()
    }

    /// Makes the timers look at once: tests move time in the database and then ring this.
    #[must_use]
    pub fn timer_nudge(&self) -> Arc<Notify> {
        Arc::clone(&self.timer_nudge)
    }

    /// The city in memory: tests compare it with the tables.
    #[must_use]
    pub fn city(&self) -> Arc<City> {
        Arc::clone(&self.city)
    }

    /// Runs until the stop signal.
    ///
    /// # Errors
    /// When the HTTP server cannot start.
    pub async fn run(self) -> anyhow::Result<()> {
        let (log, locations) = (Data::new(self.service.log.clone()), Data::new(self.locations));
        let (planner, city) = (Data::new(self.planner), Data::new(self.city));
        self.service
            .run("dispatch", "dispatch", move |config| {
                config
                    .app_data(log.clone())
                    .app_data(locations.clone())
                    .app_data(planner.clone())
                    .app_data(city.clone())
                    .configure(http::routes);
            })
            .await
    }
}
