//! A private RabbitMQ node with a port mapper (epmd) of its own, so that no other Erlang on the machine is touched.

use std::ffi::OsString;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use lapin::{Connection, ConnectionProperties};

use super::Started;
use super::tool::Tool;
use crate::data_dir::{DataDir, write_private};
use crate::process::Signal;
use crate::supervisor::{Spec, Supervisor};

const USER: &str = "pannier";
/// With less free disk than this the node blocks publishers.
const DISK_FREE_LIMIT: &str = "100MB";
/// The same, bytes.
pub const DISK_FREE_LIMIT_BYTES: u64 = 100_000_000;

/// Starts epmd and RabbitMQ of a data folder.
///
/// # Errors
/// The folder cannot be written or a program cannot be started.
pub fn start(supervisor: &Supervisor, data: &DataDir, tool: &Tool) -> Result<Started> {
    let dir = data.path("rabbitmq");
    for sub in ["home", "conf.d", "generated", "log", "mnesia"] {
        fs::create_dir_all(dir.join(sub)).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    let (port, password) = (data.port("rabbitmq")?, data.secret("rabbitmq")?);
    let (epmd_port, dist_port) = (data.port("epmd")?, data.port("rabbitmq-dist")?);
    let settings = [
        format!("listeners.tcp.1 = 127.0.0.1:{port}"),
        format!("default_user = {USER}"),
        format!("default_pass = {password}"),
        "vm_memory_high_watermark.absolute = 1GB".to_owned(),
        format!("disk_free_limit.absolute = {DISK_FREE_LIMIT}"),
        // The default would let the write-ahead log of the quorum queues grow to 512 MB of memory.
        "raft.wal_max_size_bytes = 64000000".to_owned(),
        "log.console = true".to_owned(),
        "log.console.level = warning".to_owned(),
        "log.file = false".to_owned(),
    ];
    write_private(&dir.join("rabbitmq.conf"), (settings.join("\n") + "\n").as_bytes())?;
    write_private(&dir.join("rabbitmq-env.conf"), b"")?;
    write_private(&dir.join("enabled_plugins"), b"[].\n")?;
    // Erlang resolves the node's host by itself; a machine without `localhost` in its hosts file works too.
    write_private(&dir.join("inetrc"), b"{host, {127,0,0,1}, [\"localhost\"]}.\n{lookup, [file, native]}.\n")?;
    write_private(&dir.join("home/.erlang.cookie"), data.secret("erlang-cookie")?.as_bytes())?;

    let env = environment(tool, &dir, port, epmd_port, dist_port);
    let mut epmd =
        Spec::new("epmd", tool.epmd(), &dir).args(["-port", &epmd_port.to_string(), "-address", "127.0.0.1"]);
    epmd.env = env.clone();
    epmd.stop = vec![(Signal::TERM, Duration::from_secs(2))];
    supervisor.keep(epmd)?;

    let mut spec = Spec::new("rabbitmq", tool.program(), &dir);
    spec.env = env;
    // TERM stops the node cleanly.
    spec.stop = vec![(Signal::TERM, Duration::from_secs(8))];
    let pid_file = dir.join("pid");
    spec.prepare = Some(Arc::new(move || {
        let _ = fs::remove_file(&pid_file);
        Ok(())
    }));
    let watch = supervisor.keep(spec)?;
    Ok(Started { url: format!("amqp://{USER}:{password}@127.0.0.1:{port}/%2f"), watch })
}

/// Whether RabbitMQ accepts a connection.
pub async fn answers(url: &str) -> bool {
    let Ok(connection) = Connection::connect(url, ConnectionProperties::default()).await else { return false };
    // Closed before it is dropped: otherwise lapin's thread logs an error.
    connection.close(200, "ready".into()).await.is_ok()
}

/// How many messages a running node has delivered to consumers since it started, redeliveries included; none where it
/// cannot be asked. Asking starts an Erlang virtual machine, which takes about a second of CPU.
///
/// `node` is the pid of the node.
pub async fn delivered_messages(tool: &Tool, node: u32) -> Option<u64> {
    const COUNT: &str = "lists:sum([maps:get(messages_delivered_total, C, 0) || \
                         C <- maps:values(rabbit_global_counters:overview())]).";
    control(tool, node, &["eval", COUNT]).await?.trim().parse().ok()
}

/// What a running node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// `4.1.2`.
    pub version: String,
    /// Policies, and queues that are no quorum queues.
    pub oddities: Vec<String>,
}

/// Asks a running node about its version, policies and queues; none where it cannot be asked.
///
/// `node` is the pid of the node.
pub async fn node_state(tool: &Tool, node: u32) -> Option<NodeState> {
    // Each starts an Erlang virtual machine.
    let (version, policies, queues) = tokio::join!(
        control(tool, node, &["eval", "rabbit_misc:version()."]),
        control(tool, node, &["list_policies", "--silent"]),
        control(tool, node, &["list_queues", "--silent", "name", "type"]),
    );
    let version = version?.trim().trim_matches('"').to_owned();
    Some(NodeState { version, oddities: oddities(&policies?, &queues?) })
}

fn oddities(policies: &str, queues: &str) -> Vec<String> {
    let lines = |text: &'static str, of: &str| -> Vec<String> {
        let filled = of.lines().filter(|line| !line.trim().is_empty());
        filled.map(|line| format!("{text} {}", words(line))).collect()
    };
    let is_quorum = |line: &str| line.rsplit(' ').next() == Some("quorum");
    let queues = lines("queue", queues).into_iter().filter(|line| !is_quorum(line));
    lines("policy", policies).into_iter().chain(queues).collect()
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Raises the alarm of a full disk at a running node, or ends it. False when the node cannot be told.
pub async fn alarm(tool: &Tool, node: u32, is_raised: bool) -> bool {
    let limit = if is_raised { "1000000GB" } else { DISK_FREE_LIMIT };
    control(tool, node, &["set_disk_free_limit", limit]).await.is_some()
}

/// The output of `rabbitmqctl`, if it succeeds. The environment of the node's process names the node and its cookie.
async fn control(tool: &Tool, node: u32, args: &[&str]) -> Option<String> {
    use std::os::unix::ffi::OsStringExt as _;
    let environ = fs::read(format!("/proc/{node}/environ")).ok()?;
    // Erlang's own start script adds variables that keep another Erlang from starting: only ours are taken.
    let is_ours = |name: &[u8]| {
        name.starts_with(b"RABBITMQ_")
            || [&b"HOME"[..], b"LANG", b"ERL_INETRC", b"ERL_EPMD_PORT", b"ERL_EPMD_ADDRESS"].contains(&name)
    };
    let variables = environ.split(|byte| *byte == 0).filter_map(|variable| {
        let (name, value) = variable.split_at(variable.iter().position(|byte| *byte == b'=')?);
        is_ours(name).then(|| (OsString::from_vec(name.to_vec()), OsString::from_vec(value[1..].to_vec())))
    });
    let out = tokio::process::Command::new(tool.bin.join("rabbitmqctl"))
        .arg("--quiet")
        .args(args)
        .env_clear()
        .envs(variables)
        .envs(tool.env())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let out = tokio::time::timeout(Duration::from_secs(60), out).await.ok()?.ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

fn environment(
    tool: &Tool,
    dir: &std::path::Path,
    port: u16,
    epmd_port: u16,
    dist_port: u16,
) -> Vec<(String, OsString)> {
    let mut env: Vec<(String, OsString)> = tool.env();
    let mut set = |name: &str, value: OsString| env.push((name.to_owned(), value));
    for (name, file) in [
        ("HOME", "home"),
        ("RABBITMQ_CONF_ENV_FILE", "rabbitmq-env.conf"),
        ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
        ("RABBITMQ_CONFIG_FILES", "conf.d"),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", "advanced.config"),
        ("RABBITMQ_MNESIA_BASE", "mnesia"),
        ("RABBITMQ_LOG_BASE", "log"),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", "enabled_plugins"),
        ("RABBITMQ_PID_FILE", "pid"),
        ("RABBITMQ_GENERATED_CONFIG_DIR", "generated"),
        ("ERL_INETRC", "inetrc"),
    ] {
        set(name, dir.join(file).into());
    }
    for (name, value) in [
        // A fixed name: the node's data folder contains it, and the port mapper is private.
        ("RABBITMQ_NODENAME", "pannier@localhost".to_owned()),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_NODE_PORT", port.to_string()),
        ("RABBITMQ_DIST_PORT", dist_port.to_string()),
        ("ERL_EPMD_PORT", epmd_port.to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        // The start script replaces itself by the Erlang virtual machine: one process to watch and stop.
        ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
        // Few schedulers that do not spin, because the node shares the machine with the services.
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}".to_owned(),
        ),
    ] {
        set(name, value.into());
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_and_a_queue_of_another_type_are_odd() {
        let found = oddities("/\tall\t.*\tall\t{}\t0\n", "orders\tquorum\nquorum.looks-like\tclassic\n");
        assert_eq!(found, ["policy / all .* all {} 0", "queue quorum.looks-like classic"]);
        assert!(oddities("", "orders\tquorum\n\n").is_empty());
    }

    #[test]
    fn the_disk_limit_is_the_same_twice() {
        assert_eq!(DISK_FREE_LIMIT, format!("{}MB", DISK_FREE_LIMIT_BYTES / 1_000_000));
    }
}
