//! Processes of the operating system: whether a pid is still the process that we started, how to signal it, and which
//! processes of a data folder still run although the `up` that started them has ended.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

/// The environment variable with the data folder. Every process that we start has it, so that leftovers are recognised.
pub const OWNER_VAR: &str = "PANNIER_OWNER";

/// A pid with the start time of its process, because the system reuses pids.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct ProcessId {
    /// The process id, also the id of its process group.
    pub pid: u32,
    /// The start time as the operating system reports it. Only compared: the format differs between systems.
    pub started: String,
}

impl ProcessId {
    /// The identity of a running process, or `None` if it has ended.
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, started: started(pid)? })
    }

    /// Whether exactly this process still runs. A zombie does not.
    pub fn is_alive(&self) -> bool {
        started(self.pid).is_some_and(|now| now == self.started)
    }
}

/// Sends a signal to one process. Errors are ignored, because the process may have ended already.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Sends a signal to a whole process group, as [`signal`] does.
pub fn signal_group(group: u32, signal: Signal) {
    if let Some(group) = i32::try_from(group).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}

/// Sends a signal to a process, then to its children. For PostgreSQL, whose children have process groups of their own.
pub fn signal_family(pid: u32, to_send: Signal) {
    signal(pid, to_send);
    for child in children_of(pid) {
        signal(child, to_send);
    }
}

#[cfg(target_os = "linux")]
fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent_of = |pid: &u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat[stat.rfind(')')? + 1..].split_whitespace().nth(1)?.parse().ok()
    };
    pids.filter(|pid| parent_of(pid) == Some(parent)).collect()
}

#[cfg(not(target_os = "linux"))]
fn children_of(parent: u32) -> Vec<u32> {
    let found = output_of("pgrep", &["-P", &parent.to_string()]).unwrap_or_default();
    found.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Ends processes and waits: `TERM` first, `KILL` after `grace`.
pub fn end(processes: &[ProcessId], grace: Duration) {
    for (to_send, wait) in [(Signal::TERM, grace), (Signal::KILL, Duration::from_secs(5))] {
        let left: Vec<_> = processes.iter().filter(|p| p.is_alive()).collect();
        if left.is_empty() {
            return;
        }
        for process in &left {
            signal(process.pid, to_send);
        }
        let deadline = Instant::now() + wait;
        while Instant::now() < deadline && left.iter().any(|p| p.is_alive()) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// All processes of a data folder. They have [`OWNER_VAR`] in their environment. Some servers overwrite their
/// environment: they are recognised by their name and a working directory in the folder.
#[cfg(target_os = "linux")]
pub fn owned_by(data: &Path) -> Vec<ProcessId> {
    use std::os::unix::ffi::OsStrExt;
    let mut mark = OWNER_VAR.as_bytes().to_vec();
    mark.push(b'=');
    mark.extend_from_slice(data.as_os_str().as_bytes());
    let own = std::process::id();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|&pid| pid != own)
        .filter(|pid| {
            let dir = Path::new("/proc").join(pid.to_string());
            let marked = std::fs::read(dir.join("environ")).is_ok_and(|env| env.split(|&b| b == 0).any(|v| v == mark));
            // The data folder, or a folder directly in it. A folder with a lock file is a data folder of its own.
            let lives_here = |cwd: &Path| cwd == data || (cwd.parent() == Some(data) && !cwd.join("lock").exists());
            marked || (is_server(&dir) && std::fs::read_link(dir.join("cwd")).is_ok_and(|cwd| lives_here(&cwd)))
        })
        .filter_map(ProcessId::of)
        .collect()
}

/// On this system leftovers cannot be found: only the pids in the state file are known.
#[cfg(not(target_os = "linux"))]
pub fn owned_by(_data: &Path) -> Vec<ProcessId> {
    Vec::new()
}

#[cfg(target_os = "linux")]
fn is_server(proc_dir: &Path) -> bool {
    std::fs::read_to_string(proc_dir.join("comm"))
        .is_ok_and(|name| matches!(name.trim(), "postgres" | "redis-server" | "valkey-server"))
}

#[cfg(target_os = "linux")]
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name is in brackets and may hold anything, so fields are counted from the last bracket.
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(not(target_os = "linux"))]
fn started(pid: u32) -> Option<String> {
    let out = Command::new("ps").args(["-o", "stat=,lstart=", "-p", &pid.to_string()]).output().ok()?;
    let text = String::from_utf8_lossy(&out.stdout);
    let (state, since) = text.trim().split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| since.trim().to_owned())
}

/// Runs a program and returns its standard output, or `None` if it cannot be run or fails.
pub fn output_of<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[S]) -> Option<String> {
    let out = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Whether we run as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_pid_and_start() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep exists");
        let id = ProcessId::of(child.id()).expect("just started");
        assert!(id.is_alive());
        assert!(!ProcessId { started: "another time".into(), ..id.clone() }.is_alive());
        signal(id.pid, Signal::KILL);
        child.wait().expect("ended");
        assert!(!id.is_alive());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn leftovers_are_found_by_their_mark() {
        let data = std::env::temp_dir().join(format!("pannier-owner-{}", std::process::id()));
        let mut child = Command::new("sleep").arg("60").env(OWNER_VAR, &data).spawn().expect("sleep exists");
        // `spawn` returns while the kernel is still laying out the new program's environment.
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut found = owned_by(&data);
        while found.is_empty() && Instant::now() < deadline {
            std::thread::yield_now();
            found = owned_by(&data);
        }
        assert_eq!(found.iter().map(|p| p.pid).collect::<Vec<_>>(), [child.id()]);
        signal(child.id(), Signal::KILL);
        child.wait().expect("ended");
        assert!(owned_by(&data).is_empty());
    }
}
