//! The same city with each service as a process of its own, as in production: with its own environment, logs and telemetry.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use pannier_platform::Stop;
use pannier_testkit::eventually;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::gateway;

/// A service's program, the prefix of its settings, and those that only it has.
#[derive(Clone)]
pub(crate) struct Program {
    pub name: &'static str,
    /// Also the name of its log.
    pub instance: String,
    pub prefix: &'static str,
    pub own: Vec<(&'static str, String)>,
}

impl Program {
    fn new(name: &'static str, prefix: &'static str, own: &[(&'static str, &str)]) -> Self {
        let own = own.iter().map(|(setting, value)| (*setting, (*value).to_owned())).collect();
        Self { name, instance: name.to_owned(), prefix, own }
    }

    pub fn order(gateway_url: &str) -> Self {
        let own = [
            ("GATEWAY_URL", gateway_url),
            ("GATEWAY_KEY", gateway::API_KEY),
            ("GATEWAY_CALLBACK_SECRET", gateway::CALLBACK_SECRET),
        ];
        Self::new("order-svc", "ORDER", &own)
    }

    pub fn merchant(order_url: &str) -> Self {
        Self::new("merchant-svc", "MERCHANT", &[("ORDER_URL", order_url)])
    }

    pub fn dispatch(redis_url: &str) -> Self {
        Self::new("dispatch-svc", "DISPATCH", &[("REDIS_URL", redis_url)])
    }
}

/// What was started: where it answers, and its task, which ends with it.
pub(crate) struct Started {
    pub url: String,
    pub admin_url: String,
    pub running: JoinHandle<anyhow::Result<()>>,
}

/// Starts a service with these settings and waits until it listens. It gets SIGTERM at `stop`. Its log is in `dir`.
pub(crate) async fn start(
    program: &Program,
    settings: &pannier_platform::service::Settings,
    env: &[(String, String)],
    dir: &Path,
    stop: &Stop,
) -> Started {
    // The programs of this build: the workspace is always built as a whole.
    let tests = std::env::current_exe().expect("the path of the test");
    let path = tests.parent().and_then(Path::parent).expect("target/debug").join(program.name);
    let log = dir.join(format!("{}.log", program.instance));
    let (stdout, stderr) =
        (File::create(&log).expect("a log"), File::options().append(true).open(&log).expect("a log"));
    let mut command = Command::new(path);
    let mut set = |key: &str, value: &str| {
        command.env(format!("{}_{key}", program.prefix), value);
    };
    set("HTTP_BIND", &settings.http_bind);
    set("ADMIN_BIND", &settings.admin_bind);
    set("DRAIN_S", &settings.drain_s.to_string());
    set("HTTP_WORKERS", &settings.http_workers.to_string());
    set("DATABASE_URL", settings.database_url.expose_secret());
    set("AMQP_URL", settings.amqp_url.expose_secret());
    set("NAMESPACE", settings.namespace.as_str());
    set("AUTH_JWKS", &settings.auth_jwks);
    set("INSTANCE", &program.instance);
    for (setting, value) in &program.own {
        set(setting, value);
    }
    let child = command.envs(env.iter().cloned()).stdin(Stdio::null()).stdout(stdout).stderr(stderr).kill_on_drop(true);
    let mut child = child.spawn().expect("the service starts");
    let (url, admin_url) = eventually(&format!("{} listens", program.instance), || async {
        let text = std::fs::read_to_string(&log).ok()?;
        let line = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let listens = line.into_iter().find(|line| line["address"].is_string())?;
        let at = |key: &str| listens[key].as_str().map(|address| format!("http://{address}"));
        Some((at("address")?, at("admin")?))
    })
    .await;
    let stop = stop.clone();
    let running = tokio::spawn(async move {
        let ended = tokio::select! {
            ended = child.wait() => ended?,
            () = stop.cancelled() => {
                let pid = child.id().unwrap_or_default().to_string();
                Command::new("kill").args(["-TERM", &pid]).status().await?;
                child.wait().await?
            }
        };
        anyhow::ensure!(ended.success(), "it ended with {ended}");
        Ok(())
    });
    Started { url, admin_url, running }
}
