//! Constructs the process: everything it is made of is named here.
//!
//! `build` and `run` return boxed futures, so that the service is compiled here, once, and not again in every program and test
//! that runs it.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::web::Data;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use pannier_platform::retention::RetentionRules;
use pannier_platform::stop::Ending;
use pannier_platform::telemetry::stages::LogMeter;
use pannier_platform::{Service, Stop, service, timers};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::sync::Notify;

use crate::payments::callback::CallbackVerifier;
use crate::payments::gateway::HttpGateway;
use crate::payments::reconciler::Reconciler;
use crate::store::zones::ZoneCache;
use crate::store::{self, IS_OPEN, gauges, quotes};
use crate::tasks::order_meter::OrderMeter;
use crate::tasks::sweeper;
use crate::tasks::timers::OrderTimers;
use crate::{http, messaging};

/// The settings, as `config/default.toml` explains them.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// The settings that every service has.
    #[serde(flatten)]
    pub service: service::Settings,
    /// Base URL of the payment gateway, `http://…` or `https://…`.
    pub gateway_url: String,
    /// The key that the gateway knows this service by.
    pub gateway_key: SecretString,
    /// Signs the gateway's callbacks.
    pub gateway_callback_secret: SecretString,
}

/// order-svc, built and not yet running.
#[derive(Debug)]
pub struct App {
    service: Service,
    callbacks: CallbackVerifier,
    timer_nudge: Arc<Notify>,
}

const PROGRAM: service::Program =
    service::Program { name: "order-svc", migration: store::MIGRATION, gauges: gauges::read };

impl App {
    /// Binds the port and starts the tasks.
    ///
    /// # Errors
    /// A setting is wrong; the message names it.
    pub fn build(settings: Settings, stop: Stop) -> BoxFuture<'static, anyhow::Result<Self>> {
        Self::build_parts(settings, stop).boxed()
    }

    async fn build_parts(settings: Settings, stop: Stop) -> anyhow::Result<Self> {
        let mut service = Service::build(&settings.service, PROGRAM, stop).await?;
        service.retention_rules = RetentionRules { tables: &[quotes::RETENTION], is_open: Some(IS_OPEN) };
        service.meter = LogMeter::new(OrderMeter::new(&service.metrics));
        let db = service.db.clone();
        let (holder, draining) = (service.instance.clone(), service.draining.clone());

        service.consume(messaging::on_ticket::OnTicket);
        service.consume(messaging::on_delivery::OnDelivery);
        service.consume(messaging::on_merchant::OnMerchant);
        service.consume(messaging::on_zone::OnZone);

        let timer_nudge = Arc::new(Notify::new());
        let timers = timers::run(db.clone(), Arc::new(OrderTimers), Arc::clone(&timer_nudge), draining.clone());
        service.tasks.essential("timers", timers);
        let metrics = service.metrics.clone();
        let gateway = HttpGateway::new(&settings.gateway_url, settings.gateway_key, &service.tls, metrics)?;
        let gateway = Arc::new(gateway);
        service.tasks.essential("payments", Reconciler::new(db.clone(), gateway).run(draining.clone()));
        service.tasks.essential("sweeper", sweeper::run(db, holder, draining));
        let callbacks = CallbackVerifier::new(settings.gateway_callback_secret);
        Ok(Self { service, callbacks, timer_nudge })
    }

    /// The address it listens at.
    ///
    /// # Errors
    /// The socket has been closed.
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

    /// Notified, it makes the timers look at once; for tests, which move time in the database.
    #[must_use]
    pub fn timer_nudge(&self) -> Arc<Notify> {
        Arc::clone(&self.timer_nudge)
    }

    /// Serves requests until the stop signal.
    ///
    /// # Errors
    /// The HTTP server cannot start.
    pub fn run(self) -> BoxFuture<'static, anyhow::Result<()>> {
        self.run_parts().boxed()
    }

    async fn run_parts(self) -> anyhow::Result<()> {
        let (log, zones) = (Data::new(self.service.log.clone()), Data::new(ZoneCache::default()));
        let callbacks = Data::new(self.callbacks);
        self.service
            .run("order", "order", move |config| {
                config.app_data(log.clone()).app_data(zones.clone()).app_data(callbacks.clone());
                config.configure(http::routes);
            })
            .await
    }
}
