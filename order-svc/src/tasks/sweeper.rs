//! The sweeper: every ten seconds, one process looks for orders and payments that nothing is scheduled to move. It needs
//! the database only.

use std::time::Duration;

use futures::FutureExt as _;
use pannier_platform::leases::Lease;
use pannier_platform::{Conn, Db, Instance, Refusal, Stop};

use crate::store;

const INTERVAL: Duration = Duration::from_secs(10);

/// Sweeps while this process holds the lease, until `stop`.
pub async fn run(db: Db, holder: Instance, stop: Stop) {
    let swept = db.clone();
    Lease::new(db, "sweeper", holder)
        .run(stop, move |held| {
            let db = swept.clone();
            async move {
                while !held.is_cancelled() {
                    if let Err(refusal) = db.transaction(|conn| sweep(conn).boxed()).await {
                        tracing::warn!(error = ?refusal, "the sweep failed; trying again");
                    }
                    tokio::select! {
                        () = held.cancelled() => {}
                        () = tokio::time::sleep(INTERVAL) => {}
                    }
                }
            }
        })
        .await;
}

/// Sweeps once.
///
/// # Errors
/// Those of the database: sweep again later.
pub async fn sweep(conn: &mut Conn) -> Result<(), Refusal> {
    let timers = store::sweep::restore_expiry_timers(conn).await?;
    let payments = store::sweep::make_idle_payments_due(conn).await?;
    if timers + payments > 0 {
        tracing::warn!(timers, payments, "the sweeper found work that was not scheduled");
    }
    Ok(())
}
