//! Finds the programs of servers: where the environment names them, on the machine, in the shared cache. What is missing is
//! fetched.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::server::Server;
use super::tool::Tool;
use super::unpack;
use crate::data_dir::DataDir;
use crate::ui::Ui;

/// Finds all wanted servers, fetching what is missing.
///
/// # Errors
/// One is missing and cannot be fetched here: the message is the command that installs it.
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
    // Only the major version that made a cluster can read it.
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
        Server::Prometheus => vec![root.join("usr/bin")],
        Server::HaProxy => vec![root.join("usr/sbin")],
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
        Server::Prometheus => dirs.extend(brew("prometheus", "bin")),
        Server::HaProxy => dirs.extend(brew("haproxy", "bin")),
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

fn advice(missing: &[Server]) -> String {
    let names: Vec<_> = missing.iter().map(|server| server.title()).collect();
    let line = if cfg!(target_os = "macos") {
        format!("brew install {}", missing.iter().map(|server| server.brew()).collect::<Vec<_>>().join(" "))
    } else {
        format!("sudo apt-get install {}", missing.iter().map(|server| server.apt()).collect::<Vec<_>>().join(" "))
    };
    let instead: Vec<String> = missing.iter().map(|server| instead(*server)).collect();
    format!("{} not found: run `{line}` (or what your system has instead), or {}", names.join(", "), instead.join(", "))
}

/// What can be done without installing a server.
fn instead(server: Server) -> String {
    let running = match server {
        Server::Postgres => "DATABASE_URL",
        Server::Redis => "REDIS_URL",
        Server::RabbitMq => "AMQP_URL",
        Server::Prometheus | Server::HaProxy => return format!("set {} to its folder", server.variable()),
    };
    format!("point {running} to one that runs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_server_names_the_line_to_type() {
        let advice = advice(&[Server::Redis, Server::RabbitMq]);
        assert!(advice.starts_with("Redis, RabbitMQ not found: run `"), "{advice}");
        assert!(advice.contains("install redis"), "{advice}");
        assert!(advice.ends_with("point REDIS_URL to one that runs, point AMQP_URL to one that runs"), "{advice}");
    }

    #[test]
    fn a_missing_tool_names_the_variable_of_its_folder() {
        let advice = advice(&[Server::Prometheus]);
        assert!(advice.ends_with("set PANNIER_PROMETHEUS_BIN to its folder"), "{advice}");
    }
}
