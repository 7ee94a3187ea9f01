//! The three services of a test city: inside the test's process, or as processes.

use std::net::SocketAddr;
use std::path::PathBuf;

use pannier_platform::{Namespace, Stop, service};
use pannier_testkit::service::settings;
use pannier_testkit::{Servers, TestDb};
use secrecy::SecretString;

use crate::processes::{self, Program};

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

pub(crate) async fn in_this_process(on: &Ground) -> Services {
    let url = |address: anyhow::Result<SocketAddr>| format!("http://{}", address.expect("an address"));
    let settings =
        order_svc::app::Settings { service: on.settings(&on.db.urls.order), gateway_url: on.gateway_url.clone() };
    let order = order_svc::app::App::build(settings, on.stop.clone()).await.expect("order-svc builds");
    let order_url = url(order.address());
    let settings =
        merchant_svc::app::Settings { service: on.settings(&on.db.urls.merchant), order_url: order_url.clone() };
    let merchant = merchant_svc::app::App::build(settings, on.stop.clone()).await.expect("merchant-svc builds");
    let settings = dispatch_svc::app::Settings {
        service: on.settings(&on.db.urls.dispatch),
        redis_url: SecretString::from(on.servers.redis_url.clone()),
        locations_waiting: 1024,
        plan_budget_ms: 250,
    };
    let dispatch = dispatch_svc::app::App::build(settings, on.stop.clone()).await.expect("dispatch-svc builds");
    Services {
        urls: [order_url, url(merchant.address()), url(dispatch.address())],
        admin_urls: [url(order.admin_address()), url(merchant.admin_address()), url(dispatch.admin_address())],
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
