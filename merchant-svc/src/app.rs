//! Builds the process: every part of it is constructed here.
//!
//! `build` and `run` return boxed futures, so that the service is compiled here, once, and not again in every program and test
//! that runs it.

use std::net::SocketAddr;

use actix_web::web::Data;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use pannier_platform::retention::RetentionRules;
use pannier_platform::stop::Ending;
use pannier_platform::{Service, Stop, service};
use serde::Deserialize;

use crate::order_service::OrderService;
use crate::store::tickets::IS_OPEN;
use crate::store::{self, gauges};
use crate::{http, messaging};

/// The settings; `config/default.toml` documents each.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// The settings that every service has.
    #[serde(flatten)]
    pub service: service::Settings,
    /// The base URL of order-svc, as in `http://127.0.0.1:8081`, or `https://…` for TLS.
    pub order_url: String,
}

/// merchant-svc, built and bound, not running yet.
#[derive(Debug)]
pub struct App {
    service: Service,
    orders: OrderService,
}

const PROGRAM: service::Program =
    service::Program { name: "merchant-svc", migration: store::MIGRATION, gauges: gauges::read };

impl App {
    /// Binds the port and starts the background tasks.
    ///
    /// # Errors
    /// What is wrong with the settings, or that the port is taken.
    pub fn build(settings: Settings, stop: Stop) -> BoxFuture<'static, anyhow::Result<Self>> {
        Self::build_parts(settings, stop).boxed()
    }

    async fn build_parts(settings: Settings, stop: Stop) -> anyhow::Result<Self> {
        let mut service = Service::build(&settings.service, PROGRAM, stop).await?;
        service.retention_rules = RetentionRules { tables: &[], is_open: Some(IS_OPEN) };
        let orders = OrderService::new(&settings.order_url, &service.tls, service.metrics.clone())?;
        service.consume(messaging::on_order::OnOrder);
        service.consume(messaging::on_delivery::OnDelivery);
        Ok(Self { service, orders })
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// When the socket cannot be asked.
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

    /// Serves until the stop signal.
    ///
    /// # Errors
    /// When the HTTP server cannot start, or another process runs under the name of this instance.
    pub fn run(self) -> BoxFuture<'static, anyhow::Result<()>> {
        self.run_parts().boxed()
    }

    async fn run_parts(self) -> anyhow::Result<()> {
        let (log, orders) = (Data::new(self.service.log.clone()), Data::new(self.orders));
        self.service
            .run("merchant", "merchant", move |config| {
                config.app_data(log.clone()).app_data(orders.clone()).configure(http::routes);
            })
            .await
    }
}
