//! The program itself, which can be killed.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::server::{API_KEY, CONTROL_KEY};

pub struct Process {
    pub url: String,
    child: Child,
}

impl Process {
    /// The program with this folder and with keys, on a free port.
    pub fn command(dir: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pannier-gateway"));
        command.arg("--data").arg(dir).env("GATEWAY_API_KEY", API_KEY).env("GATEWAY_CONTROL_KEY", CONTROL_KEY);
        command.env("RUST_LOG", "info").stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts it and waits until it listens.
    pub async fn start(dir: &Path) -> Self {
        let mut child = Self::command(dir).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = loop {
            let line = lines.next_line().await.unwrap().expect("it says where it listens");
            let line: Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(address) = line["fields"]["address"].as_str() {
                break format!("http://{address}");
            }
        };
        // It must not block on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { url, child }
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}
