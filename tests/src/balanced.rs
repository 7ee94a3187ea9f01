//! The same city with two processes of each service behind HAProxy, which checks their readiness. They can be restarted one
//! by one.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use pannier_devenv::servers::tool::Tool;
use pannier_platform::{Stop, Tls, service};
use pannier_testkit::{eventually, http_client};
use serde_json::json;
use tokio::process::{Child, Command};

use crate::TestCity;
use crate::processes::{self, Program, Started};
use crate::services::{Ground, Services};

/// Seconds that a process serves after SIGTERM: more than two of HAProxy's checks, one every 500 ms.
const DRAIN_S: u64 = 2;

/// One process of a service, started again with the same name and address.
struct Member {
    program: Program,
    settings: service::Settings,
    stop: Stop,
    started: Started,
}

/// A city whose services can be restarted one by one.
pub struct Balanced {
    /// Its clients, who call HAProxy.
    pub city: Arc<TestCity>,
    pairs: Pairs,
}

struct Pairs {
    members: Vec<Member>,
    /// HAProxy's view of its servers, CSV.
    status_url: String,
    haproxy: Child,
}

impl Balanced {
    /// Starts everything.
    ///
    /// # Panics
    /// When a process does not start.
    pub async fn start(haproxy: &Tool) -> Self {
        let (city, pairs) =
            TestCity::start_with(json!({}), &Tls::default(), async |ground| Pairs::start(ground, haproxy).await).await;
        Self { city: Arc::new(city), pairs }
    }

    /// The names of the processes.
    #[must_use]
    pub fn members(&self) -> Vec<String> {
        self.pairs.members.iter().map(|member| member.program.instance.clone()).collect()
    }

    /// Stops a process with SIGTERM, starts it again, and waits until HAProxy sends it requests.
    ///
    /// # Panics
    /// When it does not end with success.
    pub async fn restart(&mut self, name: &str) {
        let member = self.pairs.members.iter_mut().find(|member| member.program.instance == name).expect("a member");
        member.stop.cancel();
        (&mut member.started.running).await.expect("no panic").expect("it ends with success");
        member.stop = self.city.stop.child_token();
        member.started = processes::start(&member.program, &member.settings, &[], &self.city.dir, &member.stop).await;
        self.pairs.is_used(name).await;
    }

    /// The answers that clients got through HAProxy: all, and those with 5xx.
    ///
    /// # Panics
    /// When HAProxy does not answer.
    pub async fn answers(&self) -> (u64, u64) {
        let status =
            http_client().get(&self.pairs.status_url).send().await.expect("an answer").text().await.expect("text");
        let (head, rows) = status.split_once('\n').expect("a head");
        let head: Vec<&str> = head.trim_start_matches("# ").split(',').collect();
        let mut counted = (0, 0);
        for row in rows.lines() {
            let cells: Vec<&str> = row.split(',').collect();
            let cell = |name: &str| cells.get(head.iter().position(|column| *column == name)?).copied();
            if cell("svname") != Some("FRONTEND") || cell("pxname") == Some("status") {
                continue;
            }
            for class in ["hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other"] {
                let answers: u64 = cell(class).and_then(|answers| answers.parse().ok()).unwrap_or(0);
                counted.0 += answers;
                counted.1 += if class == "hrsp_5xx" { answers } else { 0 };
            }
        }
        counted
    }

    /// Stops everything.
    ///
    /// # Panics
    /// As [`TestCity::end`].
    pub async fn end(mut self) {
        for member in self.pairs.members.drain(..) {
            member.stop.cancel();
            member.started.running.await.expect("no panic").expect("it ends with success");
        }
        drop(self.pairs);
        Arc::into_inner(self.city).expect("all clients have gone").end().await;
    }
}

impl Pairs {
    async fn start(on: &Ground, haproxy: &Tool) -> (Services, Self) {
        let [order, merchant, dispatch, status] = [(); 4].map(|()| free_port());
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let mut members = Vec::new();
        let mut backends = String::new();
        for (front, program, database_url) in [
            (order, Program::order(&on.gateway_url), &on.db.urls.order),
            (merchant, Program::merchant(&url(order)), &on.db.urls.merchant),
            (dispatch, Program::dispatch(&on.servers.redis_url), &on.db.urls.dispatch),
        ] {
            let name = program.name;
            backends += &format!("listen {name}\n  bind 127.0.0.1:{front}\n  option httpchk GET /readyz\n");
            for n in 1..=2 {
                let program = Program { instance: format!("{name}-{n}"), ..program.clone() };
                let port = free_port();
                let http_bind = format!("127.0.0.1:{port}");
                let settings = service::Settings { http_bind, drain_s: DRAIN_S, ..on.settings(database_url) };
                let stop = on.stop.child_token();
                backends += &format!("  server {} 127.0.0.1:{port} check\n", program.instance);
                let started = processes::start(&program, &settings, &[], &on.dir, &stop).await;
                members.push(Member { program, settings, stop, started });
            }
        }
        let haproxy = start_haproxy(haproxy, &configuration(&backends, status), &on.dir);
        let status_url = format!("{}/status;csv", url(status));
        let this = Self { members, status_url, haproxy };
        for member in &this.members {
            this.is_used(&member.program.instance).await;
        }
        let admin = |n: usize| this.members[n].started.admin_url.clone();
        let services = Services {
            urls: [url(order), url(merchant), url(dispatch)],
            admin_urls: [admin(0), admin(2), admin(4)],
            running: Vec::new(),
        };
        (services, this)
    }

    /// Waits until HAProxy has found a server ready.
    async fn is_used(&self, name: &str) {
        eventually(&format!("HAProxy uses {name}"), || async {
            let status = http_client().get(&self.status_url).send().await.ok()?.text().await.ok()?;
            let row = status.lines().find(|row| row.split(',').nth(1) == Some(name))?;
            row.split(',').any(|cell| cell == "UP").then_some(())
        })
        .await;
    }
}

impl Drop for Pairs {
    fn drop(&mut self) {
        // It holds nothing that has to be saved.
        let _ = self.haproxy.start_kill();
    }
}

/// Timeouts are above the streams' heartbeat of 15 s. A request is repeated only if it was never sent.
fn configuration(backends: &str, status_port: u16) -> String {
    format!(
        "global
  maxconn 1000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout check 1s
  option redispatch
  retries 3
  retry-on conn-failure
  default-server inter 500ms fall 1 rise 1
frontend status
  bind 127.0.0.1:{status_port}
  stats enable
  stats uri /status
{backends}"
    )
}

fn start_haproxy(tool: &Tool, configuration: &str, dir: &Path) -> Child {
    let file = dir.join("haproxy.cfg");
    std::fs::write(&file, configuration).expect("the configuration is written");
    let log = std::fs::File::create(dir.join("haproxy.txt")).expect("a log");
    let mut command = Command::new(tool.program());
    command.args(["-db", "-f"]).arg(file).envs(tool.env()).stdin(Stdio::null()).kill_on_drop(true);
    command.stdout(log.try_clone().expect("a second handle")).stderr(log).spawn().expect("HAProxy starts")
}

/// A port that is free now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}
