//! On Debian and its derivatives: packages are downloaded and unpacked into a cache, without root, without installing
//! anything and without their scripts. Several data folders share one download.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::server::Server;
use crate::data_dir::DataDir;
use crate::process::output_of;
use crate::ui::Ui;

/// Packages that only an installation needs, or that are large and unused (LLVM serves a JIT that is switched off).
const NOT_NEEDED: [&str; 20] = [
    "adduser",
    "cron",
    "cron-daemon-common",
    "dbus",
    "debconf",
    "dpkg",
    "init-system-helpers",
    "libc-bin",
    "libc6",
    "libllvm",
    "libsystemd-shared",
    "libz3-4",
    "locales",
    "logrotate",
    "lsb-base",
    "openssl",
    "postgresql-client-common",
    "postgresql-common",
    "ssl-cert",
    "systemd",
];

/// Whether this machine has the tools to download and unpack packages.
pub fn is_possible() -> bool {
    ["apt-get", "apt-cache", "dpkg-deb"].iter().all(|tool| output_of(tool, &["--version"]).is_some())
}

/// Folders into which this server may have been unpacked already.
pub fn roots(server: Server, data: &DataDir) -> Vec<PathBuf> {
    caches(data).iter().map(|cache| cache.join(server.name())).filter(|root| root.is_dir()).collect()
}

/// Downloads and unpacks a server, or waits for another process that is doing it.
///
/// # Errors
/// No network, no such package, no space; the message is apt's own.
pub fn fetch(server: Server, data: &DataDir, ui: &Ui) -> Result<PathBuf> {
    let cache = caches(data)
        .into_iter()
        .find(|cache| fs::create_dir_all(cache).is_ok() && File::create(cache.join(".probe")).is_ok())
        .with_context(|| format!("neither the cache nor {} can be written", data.root().display()))?;
    let _ = fs::remove_file(cache.join(".probe"));
    let root = cache.join(server.name());
    let lock = File::create(cache.join(".lock")).context("cannot lock the cache")?;
    if lock.try_lock().is_err() {
        ui.doing("waiting for another pannier that is fetching packages");
        lock.lock().context("cannot lock the cache")?;
    }
    if root.is_dir() {
        return Ok(root);
    }
    let work = cache.join(format!(".work-{}", server.name()));
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(work.join("debs"))?;
    let result = unpack(server, &work, &root, ui);
    let _ = fs::remove_dir_all(&work);
    ui.clear();
    result.with_context(|| format!("{} is not installed and could not be fetched", server.title()))?;
    Ok(root)
}

fn caches(data: &DataDir) -> Vec<PathBuf> {
    let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    // Packages of one release do not run on another: a home folder may be shared by both.
    let release = fs::read_to_string("/etc/os-release").map(|text| release(&text)).unwrap_or_default();
    let place = |base: PathBuf| base.join("tools").join(format!("{release}-{}", std::env::consts::ARCH));
    let shared = var("XDG_CACHE_HOME").or_else(|| var("HOME").map(|home| home.join(".cache")));
    shared.map(|cache| place(cache.join("pannier"))).into_iter().chain([place(data.root().to_owned())]).collect()
}

fn release(os_release: &str) -> String {
    let field = |name: &str| {
        os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or("").trim_matches('"')
    };
    format!("{}-{}", field("ID"), field("VERSION_ID"))
}

/// apt with its lists: the machine's if they are there, else private ones.
struct Apt {
    options: Vec<OsString>,
    work: PathBuf,
}

impl Apt {
    fn new(work: &Path) -> Self {
        let mut options: Vec<OsString> = Vec::new();
        if crate::process::is_root() {
            // apt would switch to a user who cannot enter the folder.
            options.extend(["-o".into(), "APT::Sandbox::User=root".into()]);
        }
        Self { options, work: work.to_owned() }
    }

    /// With private, freshly downloaded lists; the machine's stay unchanged.
    fn with_fresh_lists(mut self, ui: &Ui) -> Result<Self> {
        ui.doing("fetching the package lists");
        // Packages that were fetched by the old lists may be of another version.
        fs::remove_dir_all(self.work.join("debs"))?;
        fs::create_dir_all(self.work.join("debs"))?;
        let state = self.work.join("apt");
        fs::create_dir_all(state.join("lists/partial"))?;
        fs::create_dir_all(state.join("cache/archives/partial"))?;
        for (name, value) in [
            ("Dir::State", state.clone()),
            ("Dir::State::status", "/var/lib/dpkg/status".into()),
            ("Dir::Cache", state.join("cache")),
        ] {
            let mut option = OsString::from(format!("{name}="));
            option.push(value);
            self.options.extend(["-o".into(), option]);
        }
        self.run("apt-get", &["update", "-q"])?;
        Ok(self)
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        let out = Command::new(program)
            .args(&self.options)
            .args(args)
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .current_dir(self.work.join("debs"))
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {program}"))?;
        if !out.status.success() {
            let errors = String::from_utf8_lossy(&out.stderr);
            bail!(
                "{program} {}: {}",
                args[0],
                errors.lines().filter(|l| l.starts_with("E:")).collect::<Vec<_>>().join(" ")
            );
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// The packages that hold the server itself, or nothing if the lists do not know it.
    fn main_packages(&self, server: Server) -> Option<Vec<String>> {
        let known = |name: &str| {
            let policy = self.run("apt-cache", &["policy", name]).unwrap_or_default();
            policy.lines().any(|line| line.trim().starts_with("Candidate:") && !line.contains("(none)"))
        };
        match server {
            Server::Postgres => {
                // The package without a number names the one of this release.
                let depends = self.run("apt-cache", &["depends", "postgresql"]).ok()?;
                let package = depends.lines().find_map(|l| l.trim().strip_prefix("Depends: postgresql-"))?.to_owned();
                let number: String = package.chars().take_while(char::is_ascii_digit).collect();
                Some(vec![format!("postgresql-{number}"), format!("postgresql-client-{number}"), "libpq5".to_owned()])
            }
            Server::Redis => {
                let package = ["redis-server", "valkey-server"].into_iter().find(|name| known(name))?;
                // The program itself is in the tools package; Debian's server package only links to it.
                let tools = package.replace("-server", "-tools");
                Some(vec![package.to_owned(), tools])
            }
            Server::RabbitMq => {
                known("rabbitmq-server").then(|| vec!["rabbitmq-server".to_owned(), "erlang-base".to_owned()])
            }
            Server::Prometheus | Server::HaProxy => known(server.apt()).then(|| vec![server.apt().to_owned()]),
        }
    }

    /// The packages that an installation would add: those that the machine lacks.
    fn closure(&self, packages: &[String]) -> Result<Vec<String>> {
        let mut args = vec!["install", "--simulate", "-q", "--no-install-recommends"];
        args.extend(packages.iter().map(String::as_str));
        let simulated = self.run("apt-get", &args)?;
        let mut all: BTreeSet<String> = packages.iter().cloned().collect();
        all.extend(simulated.lines().filter_map(|l| Some(l.strip_prefix("Inst ")?.split(' ').next()?.to_owned())));
        Ok(all.into_iter().filter(|name| is_needed(name)).collect())
    }
}

fn is_needed(package: &str) -> bool {
    let name = package.split(':').next().unwrap_or(package);
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    !NOT_NEEDED.contains(&name) && !NOT_NEEDED.contains(&plain)
}

fn download(server: Server, apt: &Apt, ui: &Ui) -> Result<()> {
    let packages = apt.main_packages(server).context("the package lists do not know it")?;
    let all = apt.closure(&packages)?;
    ui.doing(&format!("{}: downloading {} packages", server.title(), all.len()));
    let mut args = vec!["download", "-q"];
    args.extend(all.iter().map(String::as_str));
    apt.run("apt-get", &args)?;
    Ok(())
}

fn unpack(server: Server, work: &Path, root: &Path, ui: &Ui) -> Result<()> {
    ui.doing(&format!("{} is not installed: looking for its packages", server.title()));
    // The lists are missing, or so old that the packages they name are gone: try again with fresh ones.
    if download(server, &Apt::new(work), ui).is_err() {
        download(server, &Apt::new(work).with_fresh_lists(ui)?, ui)?;
    }
    ui.doing(&format!("{}: unpacking", server.title()));
    let tree = work.join("root");
    fs::create_dir_all(&tree)?;
    for deb in fs::read_dir(work.join("debs"))?.flatten() {
        let out =
            Command::new("dpkg-deb").arg("-x").arg(deb.path()).arg(&tree).output().context("cannot run dpkg-deb")?;
        if !out.status.success() {
            bail!("dpkg-deb: {}", String::from_utf8_lossy(&out.stderr).trim());
        }
    }
    point_erlang_to(root, &tree)?;
    fs::rename(&tree, root).with_context(|| format!("cannot make {}", root.display()))
}

/// Erlang's start script contains its installed path: the only file that has to be changed.
fn point_erlang_to(root: &Path, tree: &Path) -> Result<()> {
    let script = tree.join("usr/lib/erlang/bin/erl");
    let Ok(text) = fs::read_to_string(&script) else { return Ok(()) };
    let here = format!("ROOTDIR=\"{}\"", root.join("usr/lib/erlang").display());
    let moved = text.replace("ROOTDIR=\"/usr/lib/erlang\"", &here).replace("ROOTDIR=/usr/lib/erlang", &here);
    fs::write(&script, moved).context("cannot adapt Erlang's start script")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_server_runs_with_is_unpacked() {
        for (package, needed) in [
            ("erlang-base", true),
            ("libssl3", true),
            ("libjemalloc2", true),
            ("postgresql-15", true),
            ("libllvm14", false),
            ("libllvm19.1", false),
            ("libz3-4", false),
            ("libc6", false),
            ("logrotate", false),
            ("postgresql-common", false),
        ] {
            assert_eq!(is_needed(package), needed, "{package}");
        }
    }

    #[test]
    fn the_cache_is_per_release() {
        assert_eq!(release("PRETTY_NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\n"), "debian-12");
        assert_eq!(release("ID=ubuntu\nVERSION_ID=\"24.04\"\n"), "ubuntu-24.04");
    }
}
