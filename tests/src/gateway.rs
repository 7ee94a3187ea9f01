//! The payment gateway of a test city, its keys, and commands to it.

use std::net::TcpListener;
use std::path::Path;

use pannier_gateway::{CallbackSettings, Settings};
use pannier_platform::{Stop, Tls};
use tokio::task::JoinHandle;

/// The key of the payment API, which order-svc has.
pub const API_KEY: &str = "api-key-of-the-tests";
/// The key that commands misbehaviour.
pub const CONTROL_KEY: &str = "control-key-of-the-tests";
/// Signs the gateway's callbacks to order-svc.
pub const CALLBACK_SECRET: &str = "secret-of-the-callbacks";

/// Serves until `stop`, with its journal in `dir`. Callbacks go to order-svc at `order_url`, whose certificate is verified
/// as `callers` do.
pub(crate) fn start(
    listener: TcpListener,
    dir: &Path,
    order_url: &str,
    callers: &Tls,
    stop: Stop,
) -> JoinHandle<anyhow::Result<()>> {
    let callback = CallbackSettings {
        url: format!("{order_url}/v1/gateway/callbacks"),
        secret: CALLBACK_SECRET.into(),
        tls: callers.clone(),
    };
    let settings = Settings { callback: Some(callback), ..Settings::new(dir.to_owned(), API_KEY, CONTROL_KEY) };
    tokio::spawn(async move { pannier_gateway::run(listener, &settings, stop.cancelled_owned()).await })
}
