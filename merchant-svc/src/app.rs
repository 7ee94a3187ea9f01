//! The one place that constructs things: read it to know what this process is made of.

use std::net::SocketAddr;

use actix_web::web::Data;
use pannier_platform::retention::Forgets;
use pannier_platform::{Service, Stop, service};
use serde::Deserialize;

use crate::order_service::OrderService;
use crate::store::IS_OPEN;
use crate::{http, messaging};

/// See `config/default.toml`.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// What every service has.
    #[serde(flatten)]
    pub service: service::Settings,
    /// Where order-svc answers.
    pub order_url: String,
}

/// merchant-svc, built and not yet running.
#[derive(Debug)]
pub struct App {
    service: Service,
    orders: OrderService,
}

impl App {
    /// Binds the port, starts the tasks.
    ///
    /// # Errors
    /// A sentence that names what is wrong with the settings.
    pub async fn build(settings: Settings, stop: Stop) -> anyhow::Result<Self> {
        let mut service = Service::build(&settings.service, stop).await?;
        service.forgets = Forgets { tables: &[], is_open: Some(IS_OPEN) };
        let orders = OrderService::new(&settings.order_url)?;
        service.consume(messaging::on_order::OnOrder);
        service.consume(messaging::on_delivery::OnDelivery);
        Ok(Self { service, orders })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        self.service.address()
    }

    /// Runs until the stop signal.
    ///
    /// # Errors
    /// When the HTTP server cannot start.
    pub async fn run(self) -> anyhow::Result<()> {
        let (log, orders) = (Data::new(self.service.log.clone()), Data::new(self.orders));
        self.service
            .run("merchant", "merchant", move |config| {
                config.app_data(log.clone()).app_data(orders.clone()).configure(http::routes);
            })
            .await
    }
}
