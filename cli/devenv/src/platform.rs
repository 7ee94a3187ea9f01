//! A whole platform of one data folder: servers, schemas, keys, gateway and services. `up` runs one with a demo city on
//! top, a replay runs one for itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use pannier_migrations::ServiceUrls;
use pannier_platform::Tls;
use pannier_platform::auth::Signer;
use tokio_util::sync::CancellationToken;

use crate::balancer::Balancer;
use crate::data_dir::DataDir;
use crate::process::Signal;
use crate::servers::server::Server;
use crate::servers::{self, Durability, ExternalServers, ServerUrls};
use crate::servers::{find, prometheus};
use crate::supervisor::{Spec, Supervisor, Watch, lock};
use crate::ui::Ui;
use pannier_client::Service;

const READY: Duration = Duration::from_secs(60);
/// The process of the demo city, in `status`.
pub const DEMO: &str = "demo";
const GATEWAY: &str = "gateway";
/// The secret of a data folder that is the key of the gateway's payment API.
pub const GATEWAY_API_SECRET: &str = "gateway-api";

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data folder.
    pub data_dir: PathBuf,
    /// Prefix of exchanges, queues and Redis keys, and the name of the database on a private server.
    pub namespace: String,
    /// Servers that run already.
    pub external: ExternalServers,
    /// Whether the data outlives a crash of the machine.
    pub durability: Durability,
    /// Processes of each service.
    pub instances: usize,
    /// Whether Prometheus watches it.
    pub observe: bool,
}

/// A running platform.
pub struct Platform {
    /// Its folder.
    pub data: Arc<DataDir>,
    /// Signs its tokens.
    pub signer: Signer,
    supervisor: Supervisor,
    balancers: Mutex<Vec<Balancer>>,
}

impl Platform {
    /// Starts everything and waits until all services are ready. What was started is stopped again on failure.
    ///
    /// # Errors
    /// One sentence: the folder is taken, a server is missing, a service does not start.
    pub async fn start(options: &Options, ui: &Ui, stop: &CancellationToken) -> Result<Self> {
        let data = Arc::new(DataDir::lock(&options.data_dir)?);
        let signer = Signer::load_or_create(&data.path("keys"))?;
        let supervisor = Supervisor::start(data.clone(), ui.clone())?;
        let platform = Self { data, signer, supervisor, balancers: Mutex::default() };
        let up = tokio::select! {
            up = platform.bring_up(options, ui) => up,
            () = stop.cancelled() => Err(anyhow::anyhow!("stopped before it was ready")),
        };
        if let Err(error) = up {
            platform.stop().await;
            return Err(error);
        }
        Ok(platform)
    }

    /// The URL of a server or service, by its name in `status`; empty if it does not run.
    pub fn url(&self, name: &str) -> String {
        self.supervisor.state().urls.remove(name).unwrap_or_default()
    }

    /// Starts the demo city over this platform.
    ///
    /// # Errors
    /// The path of this program is unknown.
    pub fn start_demo(&self, speed: f64) -> Result<()> {
        let mut spec = Spec::new(DEMO, std::env::current_exe()?, self.data.root());
        spec = spec.args(["sim", "city", "--speed", &speed.to_string()]).env("PANNIER_DATA", self.data.root());
        spec.stop = vec![(Signal::TERM, Duration::from_secs(3))];
        self.supervisor.keep(spec).map(drop)
    }

    /// Stops everything, within 20 s: the bots and services first, so that they can finish with their servers.
    pub async fn stop(&self) {
        let names = self.supervisor.names();
        let first: Vec<&str> = names.iter().map(String::as_str).filter(|name| !servers::NAMES.contains(name)).collect();
        self.supervisor.stop(&first).await;
        lock(&self.balancers).clear();
        self.supervisor.stop(&servers::NAMES).await;
        // A state file that cannot be written stays stale, which its pids show.
        let _ = self.supervisor.finish();
    }

    async fn bring_up(&self, options: &Options, ui: &Ui) -> Result<()> {
        let places = Places::new(&self.data, options.instances)?;
        // Published before anything runs, so that `doctor` can look at what does not come up.
        self.supervisor.publish(|state| state.urls.extend(places.urls()))?;
        ui.doing("starting PostgreSQL, Redis and RabbitMQ");
        let mut urls = servers::start(&self.supervisor, &self.data, &options.external, options.durability, ui).await?;
        if options.external.database.is_none() {
            urls.database = own_database(&urls.database, &options.namespace).await?;
        }
        ui.doing("migrating the database");
        let databases = pannier_migrations::migrate_all(&urls.database, &Tls::default())
            .await
            .context("the database cannot be migrated")?;
        ui.doing("starting the services");
        let processes = self.start_services(options, &places, &urls, &databases)?;
        for service in Service::ALL.into_iter().filter(|_| options.instances > 1) {
            let balancer = Balancer::start(places.port(service.name()), places.instances(service)).await?;
            lock(&self.balancers).push(balancer);
        }
        let client = Tls::default().http().build()?;
        for process in &processes {
            let name = process.name();
            let url = format!("{}/{}", places.url(name), if name == GATEWAY { "livez" } else { "readyz" });
            let probe = async || {
                let answer = client.get(&url).timeout(Duration::from_secs(2)).send().await;
                answer.is_ok_and(|answer| answer.status().is_success())
            };
            process.ready(READY, probe).await?;
        }
        let observed = if options.observe { Some(self.observe(&places, ui).await?) } else { None };
        self.supervisor.publish(|state| {
            state.urls.extend(observed.map(|url| (prometheus::NAME.to_owned(), url)));
            // Now with the name of our own database.
            state.urls.extend(urls.named());
            state.ready = true;
        })
    }

    /// Starts Prometheus and returns its URL.
    async fn observe(&self, places: &Places, ui: &Ui) -> Result<String> {
        ui.doing("starting Prometheus");
        let admin = |name: &String| name.strip_suffix("-admin").map(|process| (process.to_owned(), places.bind(name)));
        let targets: Vec<(String, String)> = places.ports.keys().filter_map(admin).collect();
        let (data, shown) = (Arc::clone(&self.data), ui.clone());
        let tools = tokio::task::spawn_blocking(move || find::locate(&[Server::Prometheus], &data, &shown)).await??;
        let tool = tools.first().context("Prometheus was not found")?;
        prometheus::start(&self.supervisor, &self.data, tool, &targets).await
    }

    fn start_services(
        &self,
        options: &Options,
        places: &Places,
        urls: &ServerUrls,
        databases: &ServiceUrls,
    ) -> Result<Vec<Watch>> {
        let programs = own_folder()?;
        let root = self.data.root();
        let secrets = GatewaySecrets::of(&self.data)?;
        let callbacks = format!("{}/v1/gateway/callbacks", places.url(Service::Order.name()));
        let gateway = Spec::new(GATEWAY, programs.join("pannier-gateway"), root)
            .args(["--bind".into(), places.bind(GATEWAY).into(), "--data".into(), root.join(GATEWAY).into_os_string()])
            .env("GATEWAY_API_KEY", &secrets.api)
            .env("GATEWAY_CONTROL_KEY", &secrets.control)
            .env("GATEWAY_CALLBACK_URL", callbacks)
            .env("GATEWAY_CALLBACK_SECRET", &secrets.callback);
        let mut specs = vec![gateway];
        for service in Service::ALL {
            let prefix = env_prefix(service);
            let database = match service {
                Service::Order => &databases.order,
                Service::Merchant => &databases.merchant,
                Service::Dispatch => &databases.dispatch,
            };
            let own = match service {
                Service::Order => ("ORDER_GATEWAY_URL", places.url(GATEWAY)),
                Service::Merchant => ("MERCHANT_ORDER_URL", places.url(Service::Order.name())),
                Service::Dispatch => ("DISPATCH_REDIS_URL", urls.redis.clone()),
            };
            for name in names(service, options.instances) {
                let mut spec = Spec::new(&name, programs.join(service.name()), root)
                    .env(&format!("{prefix}_DATABASE_URL"), database)
                    .env(&format!("{prefix}_AMQP_URL"), &urls.amqp)
                    .env(&format!("{prefix}_NAMESPACE"), &options.namespace)
                    .env(&format!("{prefix}_HTTP_BIND"), places.bind(&name))
                    // Nothing balances in front of a single instance.
                    .env(&format!("{prefix}_DRAIN_S"), if options.instances > 1 { "2" } else { "0" })
                    .env(&format!("{prefix}_ADMIN_BIND"), places.bind(&admin_of(&name)))
                    .env(&format!("{prefix}_AUTH_JWKS"), self.data.path("keys/jwks.json"))
                    .env(&format!("{prefix}_INSTANCE"), &name)
                    .env(own.0, &own.1);
                if service == Service::Order {
                    spec = spec
                        .env("ORDER_GATEWAY_KEY", &secrets.api)
                        .env("ORDER_GATEWAY_CALLBACK_SECRET", &secrets.callback);
                }
                // It drains, then requests have five seconds and tasks four.
                spec.stop = vec![(Signal::TERM, Duration::from_secs(12))];
                specs.push(spec);
            }
        }
        specs.into_iter().map(|spec| self.supervisor.keep(spec)).collect()
    }
}

/// The secrets between order-svc and the payment gateway, kept in the data folder.
struct GatewaySecrets {
    /// The key of the payment API.
    api: String,
    /// The key that commands misbehaviour; no service has it.
    control: String,
    /// Signs callbacks.
    callback: String,
}

impl GatewaySecrets {
    fn of(data: &DataDir) -> Result<Self> {
        let [api, control, callback] =
            [GATEWAY_API_SECRET, "gateway-control", "gateway-callback"].map(|s| data.secret(s));
        Ok(Self { api: api?, control: control?, callback: callback? })
    }
}

/// What the settings of a service begin with in the environment.
#[must_use]
pub fn env_prefix(service: Service) -> &'static str {
    match service {
        Service::Order => "ORDER",
        Service::Merchant => "MERCHANT",
        Service::Dispatch => "DISPATCH",
    }
}

/// The name of a process's admin port.
fn admin_of(process: &str) -> String {
    format!("{process}-admin")
}

/// The processes of a service: its name, or `name-1`, `name-2` and so on where there are several.
fn names(service: Service, instances: usize) -> Vec<String> {
    match instances {
        1 => vec![service.name().to_owned()],
        _ => (1..=instances).map(|n| format!("{}-{n}", service.name())).collect(),
    }
}

/// The ports of everything that answers HTTP: gateway, services, and their instances where there are several.
struct Places {
    ports: BTreeMap<String, u16>,
    instances: usize,
}

impl Places {
    fn new(data: &DataDir, instances: usize) -> Result<Self> {
        let services = Service::ALL.into_iter().flat_map(|service| names(service, instances));
        let fronts = Service::ALL.map(|service| service.name().to_owned());
        let mut ports = BTreeMap::new();
        let services = services.flat_map(|name| [admin_of(&name), name]);
        for name in services.chain(fronts).chain([GATEWAY.to_owned()]) {
            ports.insert(name.clone(), data.port(&name)?);
        }
        Ok(Self { ports, instances })
    }

    fn port(&self, name: &str) -> u16 {
        self.ports[name]
    }

    fn bind(&self, name: &str) -> String {
        format!("127.0.0.1:{}", self.port(name))
    }

    fn url(&self, name: &str) -> String {
        format!("http://{}", self.bind(name))
    }

    fn urls(&self) -> impl Iterator<Item = (String, String)> {
        self.ports.keys().map(|name| (name.clone(), self.url(name)))
    }

    fn instances(&self, service: Service) -> Vec<SocketAddr> {
        names(service, self.instances).iter().map(|name| ([127, 0, 0, 1], self.port(name)).into()).collect()
    }
}

/// The folder of this program, into which the services are built, too.
///
/// # Errors
/// The path of this program is unknown.
pub fn own_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find our own program")?;
    Ok(program.parent().map(Path::to_owned).unwrap_or_default())
}

/// Makes a database on the private server if it does not exist, and gives its URL.
async fn own_database(server_url: &str, name: &str) -> Result<String> {
    let mut server = AsyncPgConnection::establish(server_url).await.context("the private PostgreSQL went away")?;
    let made = server.batch_execute(&format!("CREATE DATABASE \"{name}\"")).await;
    let url = server_url.strip_suffix("/postgres").map(|base| format!("{base}/{name}"));
    let url = url.context("the private server's URL has no database")?;
    if let Err(error) = made {
        // It usually exists already. If it does not, this error says why it could not be made.
        AsyncPgConnection::establish(&url).await.with_context(|| format!("cannot make the database: {error}"))?;
    }
    Ok(url)
}
