//! The three services of a test city: inside the test's process, or as processes.

use std::net::SocketAddr;
use std::path::PathBuf;

use pannier_platform::{Namespace, Stop, Tls, TlsSettings, service};
use pannier_testkit::service::settings;
use pannier_testkit::{Servers, TestDb};
use secrecy::SecretString;

use crate::gateway;
use crate::processes::{self, Program};

/// How the services of a city reach their servers, and are reached: plainly by default.
pub struct Wiring {
    /// The services' certificates.
    pub tls: TlsSettings,
    /// How their callers speak TLS.
    pub callers: Tls,
    /// The URL for the services, given the plain URL of PostgreSQL, RabbitMQ, Redis or the gateway.
    pub through: Box<dyn Fn(&str) -> String + Send + Sync>,
}

impl Default for Wiring {
    fn default() -> Self {
        Self { tls: TlsSettings::default(), callers: Tls::default(), through: Box::new(str::to_owned) }
    }
}

impl Wiring {
    /// The base URL of a service that listens at this address.
    fn url(&self, address: SocketAddr) -> String {
        let scheme = if self.tls.http_tls_cert.as_os_str().is_empty() { "http" } else { "https" };
        format!("{scheme}://{address}")
    }
}

/// What services are started on.
pub(crate) struct Ground {
    pub servers: Servers,
    pub db: TestDb,
    pub namespace: Namespace,
    pub gateway_url: String,
    pub stop: Stop,
    /// For logs.
    pub dir: PathBuf,
}

impl Ground {
    pub fn settings(&self, database_url: &str) -> service::Settings {
        settings(database_url, &self.servers.amqp_url, &self.namespace)
    }
}

/// The three services, started: order-svc, merchant-svc, dispatch-svc.
pub(crate) struct Services {
    pub urls: [String; 3],
    pub admin_urls: [String; 3],
    pub running: Vec<tokio::task::JoinHandle<anyhow::Result<()>>>,
}

pub(crate) async fn in_this_process(on: &Ground, wiring: &Wiring) -> Services {
    let through = |url: &str| (wiring.through)(url);
    let of = |database_url: &str| {
        let plain = settings(&through(database_url), &through(&on.servers.amqp_url), &on.namespace);
        service::Settings { tls: wiring.tls.clone(), ..plain }
    };
    let admin = |address: anyhow::Result<SocketAddr>| format!("http://{}", address.expect("an address"));
    let own = order_svc::app::Settings {
        service: of(&on.db.urls.order),
        gateway_url: through(&on.gateway_url),
        gateway_key: gateway::API_KEY.into(),
        gateway_callback_secret: gateway::CALLBACK_SECRET.into(),
    };
    let order = order_svc::app::App::build(own, on.stop.clone()).await.expect("order-svc builds");
    let order_url = wiring.url(order.address().expect("an address"));
    let own = merchant_svc::app::Settings { service: of(&on.db.urls.merchant), order_url: order_url.clone() };
    let merchant = merchant_svc::app::App::build(own, on.stop.clone()).await.expect("merchant-svc builds");
    let own = dispatch_svc::app::Settings {
        service: of(&on.db.urls.dispatch),
        redis_url: SecretString::from(through(&on.servers.redis_url)),
        locations_waiting: 1024,
        plan_budget_ms: 250,
    };
    let dispatch = dispatch_svc::app::App::build(own, on.stop.clone()).await.expect("dispatch-svc builds");
    let merchant_url = wiring.url(merchant.address().expect("an address"));
    let dispatch_url = wiring.url(dispatch.address().expect("an address"));
    Services {
        urls: [order_url, merchant_url, dispatch_url],
        admin_urls: [admin(order.admin_address()), admin(merchant.admin_address()), admin(dispatch.admin_address())],
        running: vec![tokio::spawn(order.run()), tokio::spawn(merchant.run()), tokio::spawn(dispatch.run())],
    }
}

/// Each as a process of its own, with this environment, too. Their logs are in the folder.
pub(crate) async fn as_processes(on: &Ground, env: &[(String, String)]) -> Services {
    let start = async |program: Program, database_url: &str| {
        let settings = on.settings(database_url);
        processes::start(&program, &settings, env, &on.dir, &on.stop).await
    };
    let order = start(Program::order(&on.gateway_url), &on.db.urls.order).await;
    let merchant = start(Program::merchant(&order.url), &on.db.urls.merchant).await;
    let dispatch = start(Program::dispatch(&on.servers.redis_url), &on.db.urls.dispatch).await;
    Services {
        urls: [order.url, merchant.url, dispatch.url],
        admin_urls: [order.admin_url, merchant.admin_url, dispatch.admin_url],
        running: vec![order.running, merchant.running, dispatch.running],
    }
}
