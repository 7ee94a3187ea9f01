//! Finds the servers' programs: where the environment says, on the machine, in the shared cache; else they are fetched.

use std::cmp::Reverse;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use super::unpack;
use crate::data_dir::DataDir;
use crate::ui::Ui;

/// What we need on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Server {
    /// PostgreSQL 13 or newer.
    Postgres,
    /// Redis 6.2 or newer (GEOSEARCH), or Valkey.
    Redis,
    /// RabbitMQ 3.8 or newer (quorum queues).
    RabbitMq,
}

impl Server {
    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
            Self::RabbitMq => "RabbitMQ",
        }
    }

    /// A word for folders.
    pub fn word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::RabbitMq => "rabbitmq",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "PANNIER_PG_BIN",
            Self::Redis => "PANNIER_REDIS_BIN",
            Self::RabbitMq => "PANNIER_RABBITMQ_BIN",
        }
    }

    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["postgres"],
            Self::Redis => &["redis-server", "valkey-server"],
            Self::RabbitMq => &["rabbitmq-server"],
        }
    }

    fn oldest(self) -> (u32, u32) {
        match self {
            Self::Postgres => (13, 0),
            Self::Redis => (6, 2),
            Self::RabbitMq => (3, 8),
        }
    }

    fn brew(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql@17",
            Self::Redis => "redis",
            Self::RabbitMq => "rabbitmq",
        }
    }

    fn apt(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::Redis => "redis-server",
            Self::RabbitMq => "rabbitmq-server",
        }
    }
}

/// A server's programs that were found and tried.
#[derive(Debug, Clone)]
pub struct Tool {
    /// What it is.
    pub server: Server,
    /// The folder with its programs.
    pub bin: PathBuf,
    /// Its version, as it says it.
    pub version: String,
    /// The folder into which it was unpacked, if it is not installed.
    pub root: Option<PathBuf>,
    program: &'static str,
    path: OsString,
}

impl Tool {
    /// The server's program.
    pub fn program(&self) -> PathBuf {
        self.bin.join(self.program)
    }

    /// The number before the first dot of its version.
    pub fn major(&self) -> &str {
        self.version.split('.').next().unwrap_or(&self.version)
    }

    /// What must be in the environment for its programs to run.
    pub fn env(&self) -> Vec<(String, OsString)> {
        let mut env = vec![("PATH".to_owned(), self.path.clone())];
        if let Some(root) = &self.root {
            env.push(("LD_LIBRARY_PATH".to_owned(), unpack::library_path(root)));
        }
        env
    }

    /// Erlang's port mapper. On some systems it is only inside Erlang's own folder.
    pub fn epmd(&self) -> PathBuf {
        let on_path = std::env::split_paths(&self.path).map(|dir| dir.join("epmd")).find(|file| file.is_file());
        on_path.or_else(|| inside_erlang(&self.path)).unwrap_or_else(|| "epmd".into())
    }

    fn at(server: Server, bin: &Path, root: Option<&Path>) -> Option<Self> {
        let program = *server.programs().iter().find(|name| bin.join(name).is_file())?;
        let mut path: Vec<PathBuf> = Vec::new();
        if let Some(root) = root {
            path.extend([root.join("usr/lib/erlang/bin"), root.join("usr/bin")]);
        }
        // Homebrew keeps Erlang's programs beside RabbitMQ's, in the prefix.
        path.extend(["/opt/homebrew/bin", "/usr/local/bin"].map(PathBuf::from));
        path.splice(0..0, std::env::var_os("PATH").iter().flat_map(std::env::split_paths).filter(|_| root.is_none()));
        path.extend(["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from));
        let path = std::env::join_paths(path).ok()?;
        let mut tool =
            Self { server, bin: bin.to_owned(), version: String::new(), root: root.map(Path::to_owned), program, path };
        tool.version = tool.ask_version()?;
        (numbers(&tool.version) >= server.oldest()).then_some(tool)
    }

    fn ask_version(&self) -> Option<String> {
        match self.server {
            Server::Postgres => first_number(&self.run(&self.program(), &["--version"])?),
            Server::Redis => first_number(&self.run(&self.program(), &["--version"])?.replace("v=", "")),
            // Starting an Erlang machine to ask costs seconds; the version is in the folder's name.
            Server::RabbitMq => {
                self.run(Path::new("erl"), &["-version"])
                    .or_else(|| self.run(Path::new("sh"), &["-c", "command -v erl"]))?;
                let real = std::fs::canonicalize(self.program()).ok()?;
                let named = real.ancestors().find_map(|dir| {
                    let name = dir.file_name()?.to_str()?;
                    first_number(name.strip_prefix("rabbitmq_server-")?)
                });
                // Homebrew: Cellar/rabbitmq/4.1.0/sbin.
                named.or_else(|| real.ancestors().find_map(|dir| first_number(dir.file_name()?.to_str()?)))
            }
        }
    }

    fn run(&self, program: &Path, args: &[&str]) -> Option<String> {
        let out = Command::new(program)
            .args(args)
            .envs(self.env())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
    }
}

/// Finds all wanted servers, fetching what is missing.
///
/// # Errors
/// One is missing and cannot be fetched here: the message is the line to type.
pub fn locate(wanted: &[Server], data: &DataDir, ui: &Ui) -> Result<Vec<Tool>> {
    let mut tools = Vec::new();
    let mut missing = Vec::new();
    for &server in wanted {
        match find(server, data)? {
            Some(tool) => tools.push(tool),
            None => missing.push(server),
        }
    }
    if missing.is_empty() {
        return Ok(tools);
    }
    if !unpack::is_possible() {
        bail!("{}", advice(&missing));
    }
    for server in missing {
        let root = unpack::fetch(server, data, ui)?;
        let Some(tool) = unpacked(server, &root) else {
            bail!(
                "{} was unpacked into {} but does not run there; {}",
                server.title(),
                root.display(),
                advice(&[server])
            )
        };
        tools.push(tool);
    }
    Ok(tools)
}

fn find(server: Server, data: &DataDir) -> Result<Option<Tool>> {
    if let Some(dir) = std::env::var_os(server.variable()).filter(|dir| !dir.is_empty()) {
        let Some(tool) = Tool::at(server, Path::new(&dir), None) else {
            let (major, minor) = server.oldest();
            bail!(
                "{} = {} holds no {} {major}.{minor} or newer",
                server.variable(),
                Path::new(&dir).display(),
                server.title()
            )
        };
        return Ok(Some(tool));
    }
    // A cluster on disk can only be read by the version that made it.
    let must_be = (server == Server::Postgres)
        .then(|| std::fs::read_to_string(data.path("postgres/PG_VERSION")).ok())
        .flatten()
        .map(|version| version.trim().to_owned());
    let fits = |tool: &Tool| must_be.as_deref().is_none_or(|major| major == tool.major());
    let ignore_system = std::env::var_os("PANNIER_IGNORE_SYSTEM").is_some_and(|value| !value.is_empty());
    let on_machine = if ignore_system { Vec::new() } else { candidates(server) };
    let mut any = None;
    let found = on_machine
        .iter()
        .filter_map(|bin| Tool::at(server, bin, None))
        .chain(unpack::roots(server, data).iter().filter_map(|root| unpacked(server, root)))
        .find(|tool| {
            any.get_or_insert_with(|| tool.clone());
            fits(tool)
        });
    Ok(found.or(any))
}

fn unpacked(server: Server, root: &Path) -> Option<Tool> {
    let bins = match server {
        Server::Postgres => versioned(&root.join("usr/lib/postgresql"), "bin"),
        Server::Redis => vec![root.join("usr/bin")],
        Server::RabbitMq => vec![root.join("usr/lib/rabbitmq/bin")],
    };
    bins.iter().find_map(|bin| Tool::at(server, bin, Some(root)))
}

/// Folders on this machine, the best first.
fn candidates(server: Server) -> Vec<PathBuf> {
    let brew = |formula: &str, sub: &str| {
        ["/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt"]
            .map(|prefix| Path::new(prefix).join(formula).join(sub))
    };
    let mut dirs = Vec::new();
    match server {
        Server::Postgres => {
            dirs.extend(versioned(Path::new("/usr/lib/postgresql"), "bin"));
            for major in (13..=19).rev() {
                dirs.push(format!("/usr/pgsql-{major}/bin").into());
                dirs.extend(brew(&format!("postgresql@{major}"), "bin"));
            }
            dirs.extend(brew("postgresql", "bin"));
        }
        Server::Redis => {
            dirs.extend(brew("redis", "bin"));
            dirs.extend(brew("valkey", "bin"));
        }
        Server::RabbitMq => {
            // Before the PATH: the `rabbitmq-server` there is often a wrapper which insists on being root.
            dirs.push("/usr/lib/rabbitmq/bin".into());
            dirs.extend(brew("rabbitmq", "sbin"));
        }
    }
    let path: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    match server {
        Server::RabbitMq => {
            dirs.extend(path.into_iter().filter(|dir| dir != Path::new("/usr/sbin") && dir != Path::new("/sbin")));
            dirs
        }
        _ => path.into_iter().chain(dirs).chain([PathBuf::from("/usr/bin"), PathBuf::from("/usr/sbin")]).collect(),
    }
}

/// `dir/N/sub` for every N, the newest first.
fn versioned(dir: &Path, sub: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join(sub))))
        .collect();
    found.sort_by_key(|(version, _)| Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}

fn inside_erlang(path: &std::ffi::OsStr) -> Option<PathBuf> {
    let erl = std::env::split_paths(path).map(|dir| dir.join("erl")).find(|file| file.is_file())?;
    let home = std::fs::canonicalize(erl).ok()?.parent()?.parent()?.to_owned();
    let erts =
        std::fs::read_dir(&home).ok()?.flatten().find(|e| e.file_name().to_string_lossy().starts_with("erts-"))?;
    Some(erts.path().join("bin/epmd")).filter(|file| file.is_file())
}

fn advice(missing: &[Server]) -> String {
    let names: Vec<_> = missing.iter().map(|server| server.title()).collect();
    let line = if cfg!(target_os = "macos") {
        format!("brew install {}", missing.iter().map(|server| server.brew()).collect::<Vec<_>>().join(" "))
    } else {
        format!("sudo apt-get install {}", missing.iter().map(|server| server.apt()).collect::<Vec<_>>().join(" "))
    };
    format!(
        "{} not found: run `{line}` (or your system's likeness of it), or point DATABASE_URL, REDIS_URL or AMQP_URL to running ones",
        names.join(", ")
    )
}

fn first_number(text: &str) -> Option<String> {
    text.split_whitespace().find_map(|word| {
        let word: String = word.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        (word.starts_with(|c: char| c.is_ascii_digit())).then(|| word.trim_end_matches('.').to_owned())
    })
}

fn numbers(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_programs_say_them() {
        for (said, version) in [
            ("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)", "15.20"),
            ("postgres (PostgreSQL) 18beta1", "18"),
            ("Redis server v=7.0.15 sha=00000000:0", "7.0.15"),
            ("3.10.8", "3.10.8"),
        ] {
            assert_eq!(first_number(&said.replace("v=", "")).as_deref(), Some(version));
        }
        assert!(numbers("6.0.16") < Server::Redis.oldest());
        assert!(numbers("15.20") > Server::Postgres.oldest());
    }

    #[test]
    fn a_missing_server_names_the_line_to_type() {
        let advice = advice(&[Server::Redis, Server::RabbitMq]);
        assert!(advice.starts_with("Redis, RabbitMQ not found: run `"), "{advice}");
        assert!(advice.contains("install redis"), "{advice}");
    }
}
