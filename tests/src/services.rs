//! The three services of a test city: inside the test's process, or as processes.

use std::net::SocketAddr;
use std::path::Path;

use pannier_platform::{Namespace, Stop};
use pannier_testkit::service::settings;
use pannier_testkit::{Servers, TestDb};
use secrecy::SecretString;

use crate::processes::{self, Program};

/// The three services, started: order-svc, merchant-svc, dispatch-svc.
pub(crate) struct Services {
    pub urls: [String; 3],
    pub admin_urls: [String; 3],
    pub running: Vec<tokio::task::JoinHandle<anyhow::Result<()>>>,
}

pub(crate) async fn in_this_process(
    servers: &Servers,
    db: &TestDb,
    namespace: &Namespace,
    gateway_url: &str,
    stop: &Stop,
) -> Services {
    let settings = |url: &str| settings(url, &servers.amqp_url, namespace);
    let url = |address: anyhow::Result<SocketAddr>| format!("http://{}", address.expect("an address"));
    let order = order_svc::app::App::build(
        order_svc::app::Settings { service: settings(&db.urls.order), gateway_url: gateway_url.to_owned() },
        stop.clone(),
    )
    .await
    .expect("order-svc builds");
    let order_url = url(order.address());
    let merchant = merchant_svc::app::App::build(
        merchant_svc::app::Settings { service: settings(&db.urls.merchant), order_url: order_url.clone() },
        stop.clone(),
    )
    .await
    .expect("merchant-svc builds");
    let dispatch = dispatch_svc::app::App::build(
        dispatch_svc::app::Settings {
            service: settings(&db.urls.dispatch),
            redis_url: SecretString::from(servers.redis_url.clone()),
            locations_waiting: 1024,
            plan_budget_ms: 250,
        },
        stop.clone(),
    )
    .await
    .expect("dispatch-svc builds");
    Services {
        urls: [order_url, url(merchant.address()), url(dispatch.address())],
        admin_urls: [url(order.admin_address()), url(merchant.admin_address()), url(dispatch.admin_address())],
        running: vec![tokio::spawn(order.run()), tokio::spawn(merchant.run()), tokio::spawn(dispatch.run())],
    }
}

/// Each as a process of its own, with this environment, too. Their logs are in `dir`.
pub(crate) async fn as_processes(
    servers: &Servers,
    db: &TestDb,
    namespace: &Namespace,
    gateway_url: &str,
    stop: &Stop,
    env: &[(String, String)],
    dir: &Path,
) -> Services {
    let settings = |url: &str| settings(url, &servers.amqp_url, namespace);
    let own = [("GATEWAY_URL", gateway_url)];
    let order = Program { name: "order-svc", prefix: "ORDER", own: &own };
    let order = processes::start(order, &settings(&db.urls.order), env, dir, stop).await;
    let own = [("ORDER_URL", order.url.as_str())];
    let merchant = Program { name: "merchant-svc", prefix: "MERCHANT", own: &own };
    let merchant = processes::start(merchant, &settings(&db.urls.merchant), env, dir, stop).await;
    let own = [("REDIS_URL", servers.redis_url.as_str())];
    let dispatch = Program { name: "dispatch-svc", prefix: "DISPATCH", own: &own };
    let dispatch = processes::start(dispatch, &settings(&db.urls.dispatch), env, dir, stop).await;
    Services {
        urls: [order.url, merchant.url, dispatch.url],
        admin_urls: [order.admin_url, merchant.admin_url, dispatch.admin_url],
        running: vec![order.running, merchant.running, dispatch.running],
    }
}
