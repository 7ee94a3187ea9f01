//! The test payment gateway: a small HTTP service with the interface of a real one and a ledger of its own.
//!
//! It is a process of its own, so that tests can kill it, refuse operations or break the connection in the middle of a
//! payment. Acknowledged operations survive a restart: each is a line of the journal before it is answered, and the journal
//! is read at start. It moves no money, and has only the features that tests need.

pub mod book;
pub mod http;
pub mod journal;

use std::future::Future;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;

use actix_web::{App, HttpServer, web};
use anyhow::Context;

use crate::journal::Journal;

/// Serves on `listener` until `shutdown` completes. The journal is in `data_dir`.
///
/// The caller binds, so that a test can bind port 0 and read the port from its listener.
///
/// # Errors
/// When the journal cannot be read or written, or the listener cannot be used.
pub async fn run(listener: TcpListener, data_dir: &Path, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let journal = web::Data::new(Mutex::new(Journal::open(data_dir)?));
    let address = listener.local_addr().context("the gateway's listener has no address")?;
    listener.set_nonblocking(true).context("the gateway's listener cannot be made non-blocking")?;
    let server = HttpServer::new(move || App::new().app_data(journal.clone()).configure(http::routes))
        .workers(1)
        .disable_signals()
        .shutdown_timeout(2)
        .listen(listener)
        .context("the gateway cannot listen")?
        .run();
    tracing::info!(%address, "Gateway listens on {address}");
    let handle = server.handle();
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => ended.context("the gateway's server ended")?,
        () = shutdown => {
            let (ended, ()) = tokio::join!(&mut server, handle.stop(true));
            ended.context("the gateway's server ended")?;
        }
    }
    Ok(())
}
