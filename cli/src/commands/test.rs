//! `pannier test`: what CI runs. Formatting, lints, and all tests, with private servers of this run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::dev_servers::test_env;
use super::signals::stop_token;
use crate::failure::Failure;
use pannier_devenv::data_dir::DataDir;
use pannier_devenv::process::{self, OWNER_VAR, Signal};
use pannier_devenv::servers::{self, Durability, ExternalServers, ServerUrls};
use pannier_devenv::supervisor::{Supervisor, end_leftovers};
use pannier_devenv::ui::Ui;

const PREFIX: &str = "test-";

/// What is run before the tests, as arguments of cargo, where the tool is installed. Advisories are left to hosted CI:
/// they need the network, and change while the code does not.
const CHECKS: [&[&str]; 3] = [
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
    &["deny", "--locked", "check", "bans", "licenses", "sources"],
];

/// Runs the checks and tests. With arguments, only the tests: they go to `cargo test --workspace`.
///
/// # Errors
/// A step failed: its exit status, the first one's if there are several.
pub async fn run(data: &Path, args: &[String]) -> Result<()> {
    let stop = stop_token()?;
    let ui = Ui::new();
    remove_old(data, PREFIX);
    let folder = data.join(format!("{PREFIX}{}", std::process::id()));
    let data = Arc::new(DataDir::lock(&folder)?);
    let supervisor = Supervisor::start(data.clone(), ui.clone())?;
    let external = ExternalServers::default();
    let started = tokio::select! {
        started = servers::start(&supervisor, &data, &external, Durability::Throwaway, &ui) => started,
        () = stop.cancelled() => Err(Failure::Silent(130).into()),
    };
    ui.clear();
    let result = match started {
        Ok(urls) => steps(&urls, &data, args, &stop, &ui).await,
        Err(error) => Err(error),
    };
    supervisor.stop(&servers::NAMES).await;
    drop(supervisor);
    let _ = fs::remove_dir_all(data.root());
    result
}

async fn steps(urls: &ServerUrls, data: &DataDir, args: &[String], stop: &CancellationToken, ui: &Ui) -> Result<()> {
    let mut steps: Vec<&[&str]> = Vec::new();
    if args.is_empty() {
        steps.extend(CHECKS.iter().filter(|step| is_there(step[0])));
    }
    // All tests run, also after a failure: one run shows every failure.
    let mut tests = vec!["test", "--workspace", "--no-fail-fast"];
    tests.extend(args.iter().map(String::as_str));
    steps.push(&tests);

    let mut failed = Vec::new();
    for step in &steps {
        let line = format!("cargo {}", step.join(" "));
        ui.note(&format!("=== {line}"));
        if let Some(status) = cargo(step, urls, data, stop).await? {
            failed.push((line, status));
        }
    }
    for (line, _) in &failed {
        ui.note(&format!("=== failed: {line}"));
    }
    match failed.first() {
        Some((_, status)) => Err(Failure::Silent(*status).into()),
        None => Ok(()),
    }
}

/// Runs cargo. Returns its exit status when it failed.
async fn cargo(args: &[&str], urls: &ServerUrls, data: &DataDir, stop: &CancellationToken) -> Result<Option<u8>> {
    let mut child = Command::new("cargo")
        .args(args)
        .envs(test_env(urls))
        // The next run finds by this variable what a killed run left.
        .env(OWNER_VAR, data.root())
        .current_dir(project_root())
        .stdin(Stdio::null())
        // A process group of its own: Ctrl-C reaches only this process, which then ends cargo and all test programs.
        .process_group(0)
        .spawn()
        .context("cannot run cargo")?;
    let pid = child.id();
    tokio::select! {
        status = child.wait() => {
            let status = status?;
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            Ok((!status.success()).then_some(code))
        }
        () = stop.cancelled() => {
            if let Some(pid) = pid {
                process::signal_group(pid, Signal::TERM);
                if tokio::time::timeout(Duration::from_secs(5), child.wait()).await.is_err() {
                    process::signal_group(pid, Signal::KILL);
                }
            }
            Err(Failure::Silent(130).into())
        }
    }
}

fn is_there(tool: &str) -> bool {
    process::output_of("cargo", &[tool, "--version"]).is_some()
}

pub(super) fn project_root() -> PathBuf {
    std::env::var_os("PANNIER_ROOT").filter(|root| !root.is_empty()).map_or_else(|| ".".into(), PathBuf::from)
}

/// Removes the folders of killed runs, and ends what they left running.
pub(super) fn remove_old(data: &Path, prefix: &str) {
    for entry in fs::read_dir(data).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        // A lock that is taken belongs to a run that is still active.
        if let Ok(old) = DataDir::lock(&entry.path()) {
            end_leftovers(&old);
            let _ = fs::remove_dir_all(old.root());
        }
    }
}
