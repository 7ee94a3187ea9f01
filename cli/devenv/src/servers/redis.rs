//! A private Redis (or Valkey).

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Started;
use super::tool::Tool;
use crate::data_dir::{DataDir, write_private};
use crate::process::Signal;
use crate::supervisor::{Spec, Supervisor};

/// Starts Redis of a data folder.
///
/// # Errors
/// The folder cannot be written or the program cannot be started.
pub fn start(supervisor: &Supervisor, data: &DataDir, tool: &Tool) -> Result<Started> {
    let dir = data.path("redis");
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let (port, password) = (data.port("redis")?, data.secret("redis")?);
    let config = dir.join("redis.conf");
    // The password is in a file because arguments can be read by everybody on the machine.
    let settings = [
        format!("port {port}"),
        "bind 127.0.0.1".to_owned(),
        "daemonize no".to_owned(),
        format!("requirepass {password}"),
        "appendonly yes".to_owned(),
        "appendfsync everysec".to_owned(),
        "save \"\"".to_owned(),
        // Silences the warning about memory overcommit, which does not matter for a private server.
        "loglevel notice".to_owned(),
    ];
    write_private(&config, (settings.join("\n") + "\n").as_bytes())?;
    let mut spec = Spec::new("redis", tool.program(), &dir).args([config.as_os_str()]);
    spec.env.extend(tool.env());
    spec.stop = vec![(Signal::TERM, Duration::from_secs(8))];
    let watch = supervisor.keep(spec)?;
    Ok(Started { url: format!("redis://:{password}@127.0.0.1:{port}/"), watch })
}

/// Whether Redis answers a PING. Two lines of its protocol need no client library.
pub async fn answers(url: &str) -> bool {
    // An error means that it is still loading its file, or that the password is wrong.
    ask(url, "PING", |text| text.contains("+PONG").then_some(true).or(text.contains("\n-").then_some(false)))
        .await
        .unwrap_or(false)
}

/// The version that a running Redis or Valkey reports; none where it does not answer.
pub async fn version(url: &str) -> Option<String> {
    let version_in = |text: &str| {
        let (_, rest) = text.split_once("valkey_version:").or_else(|| text.split_once("redis_version:"))?;
        // The end of the line: before it, only a part has arrived.
        rest.split_once('\r').map(|(version, _)| version.to_owned())
    };
    ask(url, "INFO server", version_in).await.ok()
}

/// Sends a command and reads until `found` finds the answer in what was sent so far, which begins with a line break.
async fn ask<T>(url: &str, command: &str, found: impl Fn(&str) -> Option<T>) -> Result<T> {
    let rest = url.split_once("://").context("no scheme")?.1;
    let rest = rest.split(['/', '?']).next().unwrap_or(rest);
    let (login, address) = rest.rsplit_once('@').unwrap_or(("", rest));
    let address = if address.contains(':') { address.to_owned() } else { format!("{address}:6379") };
    let mut stream = TcpStream::connect(&address).await?;
    if let Some((user, password)) = login.split_once(':') {
        let user = if user.is_empty() { "default" } else { user };
        stream.write_all(format!("AUTH {user} {password}\r\n").as_bytes()).await?;
    }
    stream.write_all(format!("{command}\r\n").as_bytes()).await?;
    let mut answer = vec![b'\n'];
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await?;
        anyhow::ensure!(read > 0, "the connection was closed");
        answer.extend_from_slice(&buffer[..read]);
        if let Some(found) = found(&String::from_utf8_lossy(&answer)) {
            return Ok(found);
        }
    }
}
