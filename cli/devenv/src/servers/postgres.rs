//! A private PostgreSQL. Its data stays in the data folder and survives crashes.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::run_as::RunAs;
use super::tool::Tool;
use super::{Durability, Started};
use crate::data_dir::{DataDir, write_private};
use crate::process;
use crate::process::Signal;
use crate::supervisor::{Spec, Supervisor};

const USER: &str = "pannier";

/// Starts PostgreSQL of a data folder; the first time it makes the database cluster.
///
/// # Errors
/// The cluster cannot be made or belongs to another version, or the program cannot be started.
pub fn start(supervisor: &Supervisor, data: &DataDir, tool: &Tool, durability: Durability) -> Result<Started> {
    let run_as = RunAs::choose()?;
    let cluster = data.path("postgres");
    let password = data.secret("postgres")?;
    if !cluster.join("PG_VERSION").exists() {
        init(data, tool, &run_as, &cluster, &password)?;
    }
    check_version(tool, &cluster)?;
    let port = data.port("postgres")?;

    let mut args: Vec<OsString> = vec!["-D".into(), (&cluster).into(), "-p".into(), port.to_string().into()];
    let mut set = |setting: &str| args.extend(["-c".into(), setting.into()]);
    set("listen_addresses=127.0.0.1");
    // No socket file: a deep data folder would make its path longer than the system allows.
    set("unix_socket_directories=");
    // Each test makes a database and pools of its own, and several tests run at a time.
    set(if durability == Durability::Throwaway { "max_connections=500" } else { "max_connections=200" });
    // Short queries only; and the unpacked packages come without LLVM.
    set("jit=off");
    if durability == Durability::Throwaway {
        set("fsync=off");
        set("synchronous_commit=off");
        set("full_page_writes=off");
    }
    // A missing library would keep the server from starting.
    if durability == Durability::Measured && has_statements(tool) {
        set("shared_preload_libraries=pg_stat_statements");
        // A statement that is evicted from the list loses its count.
        set("pg_stat_statements.max=20000");
    }
    let (program, args) = run_as.wrap(&tool.bin.join("postgres"), args);
    let mut spec = Spec::new("postgres", program, &cluster).args(args);
    spec.env.extend(tool.env());
    // INT is "fast": open sessions are ended. QUIT gives up on a clean end, recovery does the rest.
    spec.stop = vec![(Signal::INT, Duration::from_secs(7)), (Signal::QUIT, Duration::from_secs(2))];
    spec.prepare = Some(std::sync::Arc::new(move || clear_remains(&cluster)));
    let watch = supervisor.keep(spec)?;
    Ok(Started { url: format!("postgres://{USER}:{password}@127.0.0.1:{port}/postgres"), watch })
}

/// Whether PostgreSQL accepts a connection.
pub async fn answers(url: &str) -> bool {
    AsyncPgConnection::establish(url).await.is_ok()
}

/// Whether the library that counts statements came with this server. The folders beside the program are asked first: an
/// unpacked server knows only where it would have been installed, and a program on the PATH may be a link.
fn has_statements(tool: &Tool) -> bool {
    let program = fs::canonicalize(tool.program()).unwrap_or_else(|_| tool.program());
    let bin = program.parent().unwrap_or(&tool.bin);
    let beside = ["../lib", "../lib/postgresql"].map(|dir| bin.join(dir));
    let told = process::output_of("pg_config", &["--pkglibdir"]).map(|dir| dir.trim().into());
    let mut dirs = beside.into_iter().chain(told);
    dirs.any(|dir: PathBuf| ["so", "dylib"].iter().any(|end| dir.join(format!("pg_stat_statements.{end}")).is_file()))
}

fn init(data: &DataDir, tool: &Tool, run_as: &RunAs, cluster: &Path, password: &str) -> Result<()> {
    // Made beside and renamed, so that an incomplete cluster is never used.
    let fresh = data.path("postgres-unfinished");
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir(&fresh).with_context(|| format!("cannot make {}", fresh.display()))?;
    run_as.own(&fresh)?;
    let password_file = data.path("postgres.password");
    write_private(&password_file, password.as_bytes())?;
    run_as.own(&password_file)?;

    let mut args: Vec<OsString> = vec!["-D".into(), (&fresh).into(), "-U".into(), USER.into()];
    args.extend(["-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"].map(Into::into));
    args.push("--pwfile".into());
    args.push((&password_file).into());
    let (program, args) = run_as.wrap(&tool.bin.join("initdb"), args);
    let out = Command::new(program)
        .args(args)
        .envs(tool.env())
        .current_dir(data.root())
        .stdin(Stdio::null())
        .output()
        .context("cannot run initdb")?;
    let _ = fs::remove_file(&password_file);
    if !out.status.success() {
        bail!("initdb failed: {}", String::from_utf8_lossy(&out.stderr).trim());
    }
    fs::rename(&fresh, cluster).with_context(|| format!("cannot make {}", cluster.display()))
}

fn check_version(tool: &Tool, cluster: &Path) -> Result<()> {
    let made_by = fs::read_to_string(cluster.join("PG_VERSION")).unwrap_or_default();
    let made_by = made_by.trim();
    ensure!(
        made_by == tool.major(),
        "{} was made by PostgreSQL {made_by}, but {} is version {}: set PANNIER_PG_BIN, or move the folder away",
        cluster.display(),
        tool.bin.display(),
        tool.version,
    );
    Ok(())
}

/// After a killed postmaster: its children need a moment to notice, and its pid file may name another process by now.
fn clear_remains(cluster: &Path) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        let left = process::owned_by(cluster);
        if left.is_empty() {
            break;
        }
        if Instant::now() >= deadline {
            process::end(&left, Duration::from_secs(1));
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid_file = cluster.join("postmaster.pid");
    match fs::remove_file(&pid_file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", pid_file.display()))
        }
        _ => Ok(()),
    }
}
