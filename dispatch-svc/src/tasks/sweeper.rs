//! Finds from the tables alone what should have moved and did not. Needs neither broker nor Redis, and can be run twice.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use pannier_contracts::{DeliveryId, RiderId};
use pannier_platform::leases::Lease;
use pannier_platform::{Cause, Conn, Db, Instance, Refusal, Stop, timers};

use crate::commands::advance::set_moments;
use crate::commands::{close_offers, silence};
use crate::domain::deadlines;
use crate::domain::lifecycle::is_unassigned;
use crate::store;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(10);
/// Timers have so long to do what the sweeper would do, seconds.
const LATE_S: i64 = 2;
/// A rider not heard of for so long gets no offers, seconds.
const STALE_S: i64 = 60;
/// … is an alarm, and what they have not picked up goes to somebody else, seconds.
const SILENT_S: i64 = 300;

/// Sweeps whenever this process holds the lease, until `stop`.
pub async fn run(db: Db, holder: Instance, stop: Stop) {
    let lease = Lease::new(db.clone(), "sweeper", holder);
    lease
        .run(stop, |held| {
            let db = db.clone();
            async move {
                loop {
                    if let Err(refusal) = sweep(&db).await {
                        tracing::warn!(error = ?refusal, "the sweeper cannot look; trying again");
                    }
                    tokio::select! {
                        () = held.cancelled() => return,
                        () = tokio::time::sleep(EVERY) => {}
                    }
                }
            }
        })
        .await;
}

/// One sweep. Returns how many things it found.
///
/// # Errors
/// What the database says; what one thing refuses is logged, and the others go on.
pub async fn sweep(db: &Db) -> Result<usize, Refusal> {
    let found = db.read(|conn| list(conn).boxed()).await?;
    let count = found.len();
    for thing in found {
        let done = act(db, move |conn, cause| settle(conn, cause, thing).boxed()).await;
        if let Err(refusal) = done {
            tracing::warn!(?thing, error = ?refusal, "the sweeper could not settle something; it will try again");
        }
    }
    Ok(count)
}

/// Something that should have moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Offers whose time is up, or a delivery that is offered to nobody.
    Offers(DeliveryId),
    /// A delivery without the timers that its state has.
    Timers(DeliveryId),
    /// A rider to be marked.
    Stale(RiderId),
    /// A rider to be called.
    Silent(RiderId),
    /// What such a rider has.
    Carried(DeliveryId),
}

async fn list(conn: &mut Conn) -> Result<Vec<Found>, Refusal> {
    let mut found = Vec::new();
    let offers = store::offers::deliveries_to_settle(conn, LATE_S).await?;
    found.extend(offers.into_iter().map(Found::Offers));
    let timers = store::deliveries::without_timers(conn).await?;
    found.extend(timers.into_iter().map(Found::Timers));

    let silent = store::riders::silent(conn, STALE_S, None).await?;
    found.extend(silent.into_iter().map(Found::Stale));
    for rider in store::riders::silent(conn, SILENT_S, None).await? {
        found.push(Found::Silent(rider));
        let carried = store::deliveries::carried_by(conn, rider).await?;
        found.extend(carried.into_iter().map(|d| Found::Carried(d.id)));
    }
    Ok(found)
}

async fn settle(conn: &mut Conn, cause: &Cause, found: Found) -> Result<(), Refusal> {
    match found {
        Found::Offers(delivery) => close_offers::expire(conn, cause, delivery).await,
        Found::Timers(delivery) => set_missing_timers(conn, delivery).await,
        Found::Stale(rider) => silence::mark_stale(conn, cause, rider, STALE_S).await,
        Found::Silent(rider) => silence::raise_alarm(conn, rider).await,
        Found::Carried(delivery) => silence::rescue(conn, cause, delivery, SILENT_S).await,
    }
}

async fn set_missing_timers(conn: &mut Conn, id: DeliveryId) -> Result<(), Refusal> {
    let delivery = store::deliveries::lock(conn, id).await?;
    tracing::warn!(delivery.id = %id, state = %delivery.state, "Delivery {id} had lost a timer");
    if is_unassigned(delivery.state) {
        return set_moments(conn, &delivery).await.map(drop);
    }
    match deadlines::fixed(delivery.state) {
        Some(deadline) => {
            timers::set(conn, "delivery", id.0, deadline.kind, delivery.state_since + deadline.after).await
        }
        None => Ok(()),
    }
}

async fn act<F>(db: &Db, body: F) -> Result<(), Refusal>
where
    F: for<'c> Fn(&'c mut Conn, &'c Cause) -> BoxFuture<'c, Result<(), Refusal>> + Send + Sync + 'static,
{
    let body = std::sync::Arc::new(body);
    db.transaction(move |conn| {
        let body = std::sync::Arc::clone(&body);
        async move { body(conn, &Cause::of("sweeper")).await }.boxed()
    })
    .await
}
