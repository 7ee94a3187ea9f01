//! `GATEWAY_API_KEY=… GATEWAY_CONTROL_KEY=… pannier-gateway --bind 127.0.0.1:7004 --data DIR`

use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use pannier_gateway::Settings;
use tokio::signal::unix::{SignalKind, signal};

/// The test payment gateway: authorises, captures, voids and refunds, keeps a ledger, and misbehaves on command.
///
/// Needs GATEWAY_API_KEY, which callers of the payment API send, and GATEWAY_CONTROL_KEY, for /v1/control. Optional:
/// GATEWAY_CALLBACK_URL with GATEWAY_CALLBACK_SECRET and GATEWAY_TLS_CA, where operations are announced; GATEWAY_LATE_MS, how
/// late an operation is that is late (8000).
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where to listen; port 0 takes a free one and logs it.
    #[arg(long, env = "GATEWAY_BIND", default_value = "127.0.0.1:0")]
    bind: String,
    /// The folder of the ledger's journal; made when it is missing.
    #[arg(long, env = "GATEWAY_DATA")]
    data: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    let args = Args::parse();
    let settings = Settings::read(args.data, |name| std::env::var(name).ok())?;
    let listener = TcpListener::bind(&args.bind).with_context(|| format!("cannot listen on {}", args.bind))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    pannier_gateway::run(listener, &settings, stop).await
}
