//! `pannier doctor` is for the night on which half of a platform is down: every look is a verdict, and none is waited for.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pannier_devenv::data_dir::{DataDir, State};
use pannier_devenv::process::ProcessId;
use pannier_testkit::Servers;
use serde_json::Value;
use tokio::process::{Child, Command};

/// A data folder whose `up` lives, is not ready, and has these URLs.
struct HalfUp {
    folder: PathBuf,
    up: Child,
}

impl HalfUp {
    fn new(urls: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("pannier-doctor-{}-{}", std::process::id(), urls.len()));
        let data = DataDir::lock(&folder).unwrap();
        let up = Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
        let urls = urls.iter().map(|(name, url)| ((*name).to_owned(), (*url).to_owned())).collect();
        let state = State { up: up.id().and_then(ProcessId::of), urls, ..State::default() };
        data.write_state(&state).unwrap();
        Self { folder, up }
    }

    async fn doctor(&self) -> (bool, Vec<Finding>) {
        let tests = std::env::current_exe().unwrap();
        let program = tests.parent().and_then(Path::parent).unwrap().join("pannier");
        let mut doctor = Command::new(program);
        doctor.args(["doctor", "--output", "json"]).env("PANNIER_DATA", &self.folder).stdin(Stdio::null());
        let output = doctor.output().await.unwrap();
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
        let findings = printed["data"].as_array().unwrap().iter().map(Finding::of).collect();
        (output.status.success(), findings)
    }
}

impl Drop for HalfUp {
    fn drop(&mut self) {
        let _ = self.up.start_kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[derive(Debug)]
struct Finding {
    what: String,
    verdict: String,
    seen: String,
    mend: String,
}

impl Finding {
    fn of(finding: &Value) -> Self {
        let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        Self { what: text("what"), verdict: text("verdict"), seen: text("seen"), mend: text("mend") }
    }
}

#[tokio::test]
async fn with_half_a_platform_down_every_look_has_a_verdict() {
    let servers = Servers::from_env();
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("http://{}", stranger.local_addr().unwrap());
    let half = HalfUp::new(&[
        ("postgres", &servers.database_url),
        ("redis", &servers.redis_url),
        ("rabbitmq", "amqp://a:b@127.0.0.1:1/%2f"),
        ("order-svc", "http://127.0.0.1:1"),
        ("order-svc-admin", "http://127.0.0.1:1"),
        ("merchant-svc", &taken),
        ("dispatch-svc", "http://127.0.0.1:2"),
    ]);
    let (is_well, findings) = half.doctor().await;
    assert!(!is_well, "the status says that something is bad");
    let find = |what: &str| findings.iter().find(|f| f.what == what).unwrap_or_else(|| panic!("{what}: {findings:#?}"));
    assert_eq!(find("platform").verdict, "warning", "it is still starting");
    assert!(find("PostgreSQL").seen.starts_with("answers; version "), "{:?}", find("PostgreSQL"));
    let schema = find("schema orders");
    assert_eq!((schema.verdict.as_str(), schema.mend.as_str()), ("bad", "pannier migrate"), "{schema:?}");
    assert!(find("Redis").seen.starts_with("answers; version "), "{:?}", find("Redis"));
    assert_eq!(find("RabbitMQ").verdict, "bad");
    assert_eq!(find("order-svc").verdict, "bad");
    assert!(find("order-svc").seen.contains("no answer at http://127.0.0.1:1"), "{:?}", find("order-svc"));
    assert_eq!(find("order-svc metrics").verdict, "bad");
    let ports = find("ports");
    assert_eq!(ports.verdict, "bad");
    let port = stranger.local_addr().unwrap().port();
    let by = format!("{port} of merchant-svc by ");
    assert!(ports.seen.contains(&by) && ports.seen.contains(&format!("pid {}", std::process::id())), "{ports:?}");
    assert_eq!(find("disk").mend.is_empty(), find("disk").verdict == "ok");
    let silent: Vec<_> = findings.iter().filter(|f| f.verdict == "bad" && f.mend.is_empty()).collect();
    assert!(silent.is_empty(), "whatever is bad has a way to mend it: {silent:#?}");
}

#[tokio::test]
async fn before_anything_has_started_it_says_so() {
    let half = HalfUp::new(&[
        ("order-svc", "http://127.0.0.1:1"),
        ("merchant-svc", "http://127.0.0.1:1"),
        ("dispatch-svc", "http://127.0.0.1:1"),
    ]);
    let (is_well, findings) = half.doctor().await;
    assert!(!is_well);
    for server in ["PostgreSQL", "RabbitMQ", "Redis"] {
        let finding = findings.iter().find(|f| f.what == server).unwrap();
        assert_eq!((finding.verdict.as_str(), finding.seen.as_str()), ("bad", "not started yet"), "{server}");
    }
}
