//! The test payment gateway: a small HTTP service with the interface of a real one and a ledger of its own.
//!
//! It is a process of its own, so that tests can kill it, and it misbehaves on command ([`misbehaviour`]): it refuses, breaks
//! connections in the middle of a payment, answers late, or loses what it has acknowledged. Otherwise acknowledged operations
//! survive: each is on the disk before it is answered. It moves no money, and has only the features that tests need.
//!
//! `docs/payment-gateway.md` is the contract of its API.

mod authorisation;
pub mod book;
pub mod callback;
pub mod gateway;
pub mod http;
pub mod journal;
pub mod misbehaviour;
pub mod operation;
pub mod settings;
pub mod signature;
pub mod token;

use std::future::Future;
use std::net::TcpListener;

use actix_web::{App, HttpServer, web};
use anyhow::Context;

use crate::gateway::Gateway;
pub use crate::settings::{CallbackSettings, Settings};

/// Serves on `listener` until `shutdown` completes.
///
/// The caller binds, so that a test can bind port 0 and read the port from its listener.
///
/// # Errors
/// When the journal cannot be read or written, or the listener cannot be used.
pub async fn run(listener: TcpListener, settings: &Settings, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let gateway = web::Data::new(Gateway::open(settings)?);
    let stopping = gateway.stopping.clone();
    let address = listener.local_addr().context("the gateway's listener has no address")?;
    listener.set_nonblocking(true).context("the gateway's listener cannot be made non-blocking")?;
    let server = HttpServer::new(move || App::new().app_data(gateway.clone()).configure(http::routes))
        .workers(1)
        .disable_signals()
        .shutdown_timeout(2)
        // A caller that hung up is not kept waiting for.
        .h1_allow_half_closed(false)
        .on_connect(http::connection::remember)
        .listen(listener)
        .context("the gateway cannot listen")?
        .run();
    tracing::info!(%address, "Gateway listens on {address}");
    let handle = server.handle();
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => ended.context("the gateway's server ended")?,
        () = shutdown => {
            stopping.cancel();
            let (ended, ()) = tokio::join!(&mut server, handle.stop(true));
            ended.context("the gateway's server ended")?;
        }
    }
    Ok(())
}
