//! Keeps servers and services running. Starts each process in a process group of its own with a log file, restarts it
//! when it ends, and stops all processes within a time limit.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::future::join_all;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::data_dir::{DataDir, State};
use crate::process::{self, OWNER_VAR, ProcessId, Signal};
use crate::ui::Ui;

/// Pauses before the first, second, … restart in a row, milliseconds. The last one repeats.
const BACKOFF_MS: [u64; 5] = [100, 300, 1_000, 2_000, 4_000];
/// A process that has run at least this long is restarted after the first of these pauses.
const STEADY: Duration = Duration::from_secs(20);
/// A log larger than this is renamed to `.log.old` when its process starts, bytes.
const LOG_LIMIT: u64 = 32 * 1024 * 1024;

/// Work done before each start, the first one and every restart.
pub type Prepare = Arc<dyn Fn() -> Result<()> + Send + Sync>;

/// One process to keep running.
#[derive(Clone)]
pub struct Spec {
    /// Its name, in messages, `status` and its log file.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Environment variables in addition to our own.
    pub env: Vec<(String, OsString)>,
    /// Its working directory.
    pub cwd: PathBuf,
    /// Signals that ask it to stop, each with the time to wait for its end. `KILL` follows.
    pub stop: Vec<(Signal, Duration)>,
    /// What must be done before each start.
    pub prepare: Option<Prepare>,
}

impl Spec {
    /// A process that stops on `TERM` within 9 s.
    pub fn new(name: &str, program: impl Into<PathBuf>, cwd: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: cwd.to_owned(),
            stop: vec![(Signal::TERM, Duration::from_secs(9))],
            prepare: None,
        }
    }

    /// Adds arguments.
    pub fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }
}

/// Waits until a supervised process is ready.
#[derive(Debug, Clone)]
pub struct Watch {
    name: String,
    log: PathBuf,
    /// The size of the log before this process wrote to it, bytes.
    log_start: u64,
    deaths: watch::Receiver<u32>,
}

impl Watch {
    /// The process's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until `probe` returns true.
    ///
    /// # Errors
    /// The time is up, or the process died three times. The message ends with its last log lines.
    pub async fn ready<F>(&self, within: Duration, probe: F) -> Result<()>
    where
        F: AsyncFn() -> bool,
    {
        let deadline = Instant::now() + within;
        loop {
            if tokio::time::timeout(Duration::from_secs(3), probe()).await.unwrap_or(false) {
                return Ok(());
            }
            let why = if *self.deaths.borrow() >= 3 {
                "does not start".to_owned()
            } else if Instant::now() >= deadline {
                format!("did not get ready within {} s", within.as_secs())
            } else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            bail!("{} {why}; the end of {}:\n{}", self.name, self.log.display(), tail(&self.log, self.log_start));
        }
    }
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Keeps a set of processes running until told to stop.
pub struct Supervisor {
    data: Arc<DataDir>,
    state: Arc<Mutex<State>>,
    running: Mutex<BTreeMap<String, Running>>,
    ui: Ui,
}

impl Supervisor {
    /// A supervisor of a data folder. Ends processes that an earlier supervisor left running when it was killed.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn start(data: Arc<DataDir>, ui: Ui) -> Result<Self> {
        end_leftovers(&data);
        let state = State { up: ProcessId::of(std::process::id()), ..State::default() };
        data.write_state(&state)?;
        Ok(Self { data, state: Arc::new(Mutex::new(state)), running: Mutex::default(), ui })
    }

    /// Starts a process and keeps it running.
    ///
    /// # Errors
    /// It cannot be started at all, for example because the program is missing.
    pub fn keep(&self, spec: Spec) -> Result<Watch> {
        let log = self.data.log(&spec.name);
        rotate(&log);
        let log_start = fs::metadata(&log).map_or(0, |meta| meta.len());
        let child = self.spawner().spawn(&spec)?;
        let (deaths_tx, deaths) = watch::channel(0);
        let stop = CancellationToken::new();
        let watch = Watch { name: spec.name.clone(), log, log_start, deaths };
        let name = spec.name.clone();
        let task = tokio::spawn(keep_running(self.spawner(), spec, child, stop.clone(), deaths_tx));
        lock(&self.running).insert(name, Running { stop, task });
        Ok(watch)
    }

    /// Stops the named processes, all at the same time, and waits until they are gone.
    pub async fn stop(&self, names: &[&str]) {
        let stopped: Vec<Running> = {
            let mut running = lock(&self.running);
            names.iter().filter_map(|name| running.remove(*name)).collect()
        };
        for process in &stopped {
            process.stop.cancel();
        }
        join_all(stopped.into_iter().map(|process| process.task)).await;
    }

    /// The names of the processes that it keeps running.
    pub fn names(&self) -> Vec<String> {
        lock(&self.running).keys().cloned().collect()
    }

    /// Changes the state that `status` and the other commands read.
    pub fn publish(&self, change: impl FnOnce(&mut State)) -> Result<()> {
        self.spawner().publish(change)
    }

    /// The state as other commands see it.
    pub fn state(&self) -> State {
        lock(&self.state).clone()
    }

    /// Clears the state: nothing runs any more.
    pub fn finish(&self) -> Result<()> {
        self.publish(|state| *state = State::default())
    }

    fn spawner(&self) -> Spawner {
        Spawner { data: self.data.clone(), state: self.state.clone(), ui: self.ui.clone() }
    }
}

#[derive(Clone)]
struct Spawner {
    data: Arc<DataDir>,
    state: Arc<Mutex<State>>,
    ui: Ui,
}

impl Spawner {
    fn spawn(&self, spec: &Spec) -> Result<Child> {
        if let Some(prepare) = &spec.prepare {
            prepare()?;
        }
        let log = OpenOptions::new().create(true).append(true).open(self.data.log(&spec.name))?;
        let child = Command::new(&spec.program)
            .args(&spec.args)
            .envs(spec.env.iter().map(|(name, value)| (name, value)))
            .env(OWNER_VAR, self.data.root())
            .current_dir(&spec.cwd)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A process group of its own: Ctrl-C reaches only the supervisor, which stops processes in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {} ({})", spec.name, spec.program.display()))?;
        if let Some(id) = child.id().and_then(ProcessId::of) {
            self.publish(|state| {
                state.processes.insert(spec.name.clone(), id);
            })?;
        }
        Ok(child)
    }

    fn publish(&self, change: impl FnOnce(&mut State)) -> Result<()> {
        let mut state = lock(&self.state);
        change(&mut state);
        self.data.write_state(&state)
    }
}

async fn keep_running(
    spawner: Spawner,
    spec: Spec,
    mut child: Child,
    stop: CancellationToken,
    deaths: watch::Sender<u32>,
) {
    let mut in_a_row = 0;
    loop {
        let born = Instant::now();
        let pgid = child.id();
        let status = tokio::select! {
            status = child.wait() => status,
            () = stop.cancelled() => {
                end_child(&spec, &mut child).await;
                break;
            }
        };
        // A child that is left in the group may hold the port that the restarted process needs.
        if let Some(pgid) = pgid {
            process::signal_group(pgid, Signal::KILL);
        }
        deaths.send_modify(|count| *count += 1);
        in_a_row = if born.elapsed() >= STEADY { 0 } else { in_a_row + 1 };
        let mut why = status.map_or_else(|error| error.to_string(), describe);
        loop {
            let pause = Duration::from_millis(BACKOFF_MS[in_a_row.min(BACKOFF_MS.len() - 1)]);
            spawner.ui.note(&format!("{} {why}; restarting it in {} ms", spec.name, pause.as_millis()));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            match spawner.spawn(&spec) {
                Ok(next) => {
                    child = next;
                    break;
                }
                Err(error) => {
                    in_a_row += 1;
                    why = format!("could not be started ({error:#})");
                }
            }
        }
    }
    let forgotten = spawner.publish(|state| {
        state.processes.remove(&spec.name);
    });
    if let Err(error) = forgotten {
        spawner.ui.note(&format!("{error:#}"));
    }
}

async fn end_child(spec: &Spec, child: &mut Child) {
    let Some(pid) = child.id() else { return };
    for (signal, grace) in &spec.stop {
        process::signal(pid, *signal);
        if tokio::time::timeout(*grace, child.wait()).await.is_ok() {
            break;
        }
    }
    process::signal_group(pid, Signal::KILL);
    // This fails only for a child that is reaped already.
    let _ = child.wait().await;
}

/// Ends the processes of a data folder that no running `up` supervises. Returns whether there were any.
pub fn end_leftovers(data: &DataDir) -> bool {
    let mut left: Vec<ProcessId> = data.state().processes.into_values().filter(ProcessId::is_alive).collect();
    left.extend(process::owned_by(data.root()));
    left.sort_by_key(|process| process.pid);
    left.dedup();
    process::end(&left, Duration::from_secs(5));
    // PostgreSQL's children end by themselves shortly after their parent.
    process::end(&process::owned_by(data.root()), Duration::from_secs(2));
    !left.is_empty()
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn rotate(log: &Path) {
    if fs::metadata(log).is_ok_and(|meta| meta.len() > LOG_LIMIT) {
        // When renaming fails the file only grows longer.
        let _ = fs::rename(log, log.with_extension("log.old"));
    }
}

/// The last lines of a log, at most as far back as `from`.
fn tail(log: &Path, from: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(4096))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// Locks a mutex, also one that a panic has poisoned.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A supervisor of a folder of its own.
    fn supervisor(name: &str) -> (PathBuf, Supervisor) {
        let path = std::env::temp_dir().join(format!("pannier-supervisor-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let data = Arc::new(DataDir::lock(&path).expect("opens"));
        (path, Supervisor::start(data, Ui::new()).expect("starts"))
    }

    fn shell(script: &str) -> Spec {
        Spec::new("child", "/bin/sh", Path::new("/")).args(["-c", script])
    }

    fn pid(supervisor: &Supervisor) -> Option<u32> {
        supervisor.state().processes.get("child").filter(|id| id.is_alive()).map(|id| id.pid)
    }

    async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            assert!(Instant::now() < deadline, "waited for too long");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_killed_process_is_restarted_and_a_stopped_one_is_not() {
        let (path, supervisor) = supervisor("restart");
        supervisor.keep(shell("exec sleep 60")).expect("starts");
        let first = until(|| pid(&supervisor)).await;
        process::signal(first, Signal::KILL);
        let second = until(|| pid(&supervisor).filter(|pid| *pid != first)).await;
        supervisor.stop(&["child"]).await;
        assert!(ProcessId::of(second).is_none());
        assert!(supervisor.state().processes.is_empty());
        fs::remove_dir_all(path).expect("removed");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_process_that_ignores_the_signal_is_killed_with_its_children() {
        let (path, supervisor) = supervisor("deaf");
        let mut spec = shell("trap '' TERM; sleep 60 & echo $! > child; wait; wait");
        spec.cwd = path.clone();
        spec.stop = vec![(Signal::TERM, Duration::from_millis(200))];
        supervisor.keep(spec).expect("starts");
        let grandchild: u32 = until(|| fs::read_to_string(path.join("child")).ok()?.trim().parse().ok()).await;
        supervisor.stop(&["child"]).await;
        until(|| ProcessId::of(grandchild).is_none().then_some(())).await;
        fs::remove_dir_all(path).expect("removed");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_process_that_cannot_start_says_why() {
        let (path, supervisor) = supervisor("broken");
        let watch = supervisor.keep(shell("echo a setting is missing >&2; exit 7")).expect("starts");
        let error = watch.ready(Duration::from_secs(30), async || false).await.expect_err("it cannot be ready");
        let text = error.to_string();
        assert!(text.starts_with("child does not start") && text.contains("a setting is missing"), "{text}");
        supervisor.stop(&["child"]).await;
        fs::remove_dir_all(path).expect("removed");
    }
}
