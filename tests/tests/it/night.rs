//! A recorded day, replayed by `pannier sim replay` in a process and on a platform of its own while faults happen.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

/// The process of the replay. Dropping it stops the replay and deletes its data.
pub struct Night {
    child: Child,
    data: PathBuf,
}

impl Drop for Night {
    fn drop(&mut self) {
        // SIGTERM lets the replay stop the processes that it started.
        if self.goes_on() {
            let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        }
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

impl Night {
    /// Begins to replay the instance `harbour` at one minute per second.
    pub fn start(options: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let instance = Path::new(env!("CARGO_MANIFEST_DIR")).join("instances/harbour");
        let name = format!("pannier-night-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let data = std::env::temp_dir().join(name);
        // The binaries of this build: the workspace is always built as a whole.
        let tests = std::env::current_exe().expect("the path of the test");
        let pannier = tests.parent().and_then(Path::parent).expect("target/debug").join("pannier");
        let child = Command::new(pannier)
            .args(["sim", "replay"])
            .arg(instance)
            .args(["--speed", "60", "--report"])
            .arg(data.join("report"))
            .args(options)
            .env("PANNIER_DATA", &data)
            .stdin(Stdio::null())
            .spawn()
            .expect("the replay starts");
        Self { child, data }
    }

    /// The pid of the process with this name, once it runs.
    pub fn pid(&self, name: &str) -> Option<u64> {
        let state = self.data.join(format!("replay-{}", self.child.id())).join("state.json");
        let state: Value = serde_json::from_slice(&std::fs::read(state).ok()?).ok()?;
        state["processes"][name]["pid"].as_u64()
    }

    /// The number of calls of the bots that were acknowledged.
    pub fn acknowledged(&self) -> usize {
        let journal = self.data.join("report/journal.jsonl");
        std::fs::read_to_string(journal).map_or(0, |text| text.lines().count())
    }

    /// Whether the replay runs.
    pub fn goes_on(&mut self) -> bool {
        self.child.try_wait().expect("the status of the replay").is_none()
    }

    /// Waits for the end of the replay and checks its exit status: every order of the instance was placed, and the
    /// checks found no violation.
    pub async fn ends_clean(mut self) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(400);
        while self.goes_on() {
            assert!(tokio::time::Instant::now() < deadline, "the replay ends within 400 seconds");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let summary: Value = std::fs::read(self.data.join("report/summary.json"))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .expect("a summary was written");
        let status = self.child.wait().expect("the replay has ended");
        assert!(status.success(), "{summary:#}");
    }
}
