//! A bad night: a recorded day is replayed through the real processes, two of each service, and each kind of them is
//! killed in the middle. Everything comes back by itself, and the day's proof is as clean as on a good one.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pannier_testkit::eventually;
use serde_json::Value;

/// Who is killed together, in this order, and with which signal: a whole service, or one of its two instances.
/// PostgreSQL's SIGQUIT is its *immediate* stop: no farewell, no checkpoint.
const NIGHT: [(&[&str], &str); 7] = [
    (&["order-svc-1", "order-svc-2"], "KILL"),
    (&["rabbitmq"], "KILL"),
    (&["merchant-svc-1"], "KILL"),
    (&["postgres"], "QUIT"),
    (&["dispatch-svc-1", "dispatch-svc-2"], "KILL"),
    (&["order-svc-1", "merchant-svc-2", "dispatch-svc-1"], "KILL"),
    (&["redis"], "KILL"),
];

/// A replay in a process of its own; killed if the test fails.
struct Replay {
    child: Child,
    data: PathBuf,
}

impl Drop for Replay {
    fn drop(&mut self) {
        // Asked first: it stops what it started.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

impl Replay {
    fn start(instance: &Path, data: PathBuf, report: &Path) -> Self {
        // The binaries of this build: the workspace is always built as a whole.
        let tests = std::env::current_exe().expect("it runs");
        let pannier = tests.parent().and_then(Path::parent).expect("target/debug").join("pannier");
        let child = Command::new(pannier)
            .args(["sim", "replay"])
            .arg(instance)
            .args(["--speed", "60", "--instances", "2", "--report"])
            .arg(report)
            .env("PANNIER_DATA", &data)
            .stdin(Stdio::null())
            .spawn()
            .expect("the replay starts");
        Self { child, data }
    }

    fn state(&self) -> Option<Value> {
        let folder = self.data.join(format!("replay-{}", self.child.id()));
        serde_json::from_slice(&std::fs::read(folder.join("state.json")).ok()?).ok()
    }

    fn pid(&self, name: &str) -> Option<u64> {
        self.state()?["processes"][name]["pid"].as_u64()
    }

    /// The process groups: RabbitMQ is a shell and the machine below it.
    async fn kill(&self, names: &[&str], signal: &str) {
        let mut pids = Vec::new();
        for name in names {
            pids.push(eventually(&format!("{name} runs"), || async { self.pid(name) }).await);
        }
        let target = |pid: &u64| if signal == "KILL" { format!("-{pid}") } else { pid.to_string() };
        let killed = Command::new("kill").arg(format!("-{signal}")).arg("--").args(pids.iter().map(target)).status();
        assert!(killed.expect("kill runs").success(), "{names:?} could be killed");
        eprintln!("killed {names:?}");
        for (name, pid) in names.iter().zip(pids) {
            eventually(&format!("{name} is back"), || async { self.pid(name).filter(|again| *again != pid) }).await;
        }
    }
}

/// How many calls the bots have had acknowledged.
fn acknowledged(report: &Path) -> usize {
    std::fs::read_to_string(report.join("journal.jsonl")).map_or(0, |text| text.lines().count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_survives_the_death_of_every_kind_of_process() {
    let instance = Path::new(env!("CARGO_MANIFEST_DIR")).join("instances/harbour");
    let data = std::env::temp_dir().join(format!("pannier-night-{}", std::process::id()));
    let report = data.join("report");
    let mut replay = Replay::start(&instance, data.clone(), &report);
    let mut seen = 0;
    for (names, signal) in NIGHT {
        // In the middle of the work: some calls further than at the last kill.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
        while acknowledged(&report) < seen + 12 {
            assert!(
                replay.child.try_wait().expect("it can be asked").is_none(),
                "the replay ended before {names:?} were killed"
            );
            assert!(tokio::time::Instant::now() < deadline, "the day goes on before {names:?} are killed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        replay.kill(names, signal).await;
        seen = acknowledged(&report);
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(400);
    let status = loop {
        if let Some(status) = replay.child.try_wait().expect("it can be asked") {
            break status;
        }
        assert!(tokio::time::Instant::now() < deadline, "the replay ends");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let summary: Value = std::fs::read(report.join("summary.json"))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .expect("a summary was written");
    assert!(status.success(), "{summary:#}");
    assert_eq!(summary["placed"], summary["orders_in_file"], "{summary:#}");
    for figure in [
        "stuck",
        "duplicates",
        "lost",
        "double_assignments",
        "capacity_breaches",
        "ledger_difference",
        "invariant_violations",
    ] {
        assert_eq!(summary[figure], 0, "{figure}: {summary:#}");
    }
}
