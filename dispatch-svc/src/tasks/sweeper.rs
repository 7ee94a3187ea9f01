//! Finds in the tables what should have changed and has not: expired offers, missing timers, silent riders. Needs neither
//! broker nor Redis; two sweeps at once are harmless.

use std::time::Duration;

use futures::FutureExt as _;
use pannier_contracts::{DeliveryId, RiderId};
use pannier_platform::leases::Lease;
use pannier_platform::{Cause, Conn, Db, Instance, Refusal, Stop, timers};

use crate::commands::apply_trigger::schedule_deadlines;
use crate::commands::{close_offers, silent_riders};
use crate::domain::deadlines::{self, kind};
use crate::domain::lifecycle::is_unassigned;
use crate::store;

/// The pause between two sweeps.
const EVERY: Duration = Duration::from_secs(10);
/// An expired offer is left to its timer for so long, seconds.
const LATE_S: i64 = 2;
/// A rider who is silent for so long gets no offers, seconds.
const STALE_S: i64 = 60;

/// Sweeps whenever this process holds the lease, until `stop`.
pub async fn run(db: Db, holder: Instance, stop: Stop) {
    let lease = Lease::new(db.clone(), "sweeper", holder);
    lease
        .run(stop, |held| {
            let db = db.clone();
            async move {
                loop {
                    if let Err(refusal) = sweep(&db).await {
                        tracing::warn!(error = ?refusal, "the sweeper cannot read; trying again");
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

/// One sweep. Returns the number of findings. A finding that cannot be settled is logged, and found again by the next sweep.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] when the tables cannot be read.
pub async fn sweep(db: &Db) -> Result<usize, Refusal> {
    let found = db.read(|conn| list(conn).boxed()).await?;
    let count = found.len();
    for finding in found {
        let settled =
            db.transaction(move |conn| async move { settle(conn, &Cause::of("sweeper"), finding).await }.boxed());
        if let Err(refusal) = settled.await {
            tracing::warn!(?finding, error = ?refusal, "the sweeper could not settle {finding:?}; it will try again");
        }
    }
    Ok(count)
}

/// Something that should have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// A delivery with expired offers, or `offered` without an open one.
    Offers(DeliveryId),
    /// A delivery without a timer that its state has.
    Timers(DeliveryId),
    /// A rider to be marked as stale.
    Stale(RiderId),
    /// A rider who raises an alarm.
    Silent(RiderId),
    /// A delivery of such a rider.
    Carried(DeliveryId),
    /// A rider whose shift ends.
    OffDuty(RiderId),
}

async fn list(conn: &mut Conn) -> Result<Vec<Finding>, Refusal> {
    let mut found = Vec::new();
    let offers = store::offers::deliveries_to_settle(conn, LATE_S).await?;
    found.extend(offers.into_iter().map(Finding::Offers));
    let timers = store::deliveries::without_timers(conn).await?;
    found.extend(timers.into_iter().map(Finding::Timers));

    let silent = store::riders::silent(conn, STALE_S, None).await?;
    found.extend(silent.into_iter().map(Finding::Stale));
    let gone = store::riders::silent(conn, deadlines::silence_s(kind::OFF_DUTY), None).await?;
    for rider in store::riders::silent(conn, deadlines::silence_s(kind::SILENT), None).await? {
        if gone.contains(&rider) {
            found.push(Finding::OffDuty(rider));
            continue;
        }
        found.push(Finding::Silent(rider));
        let carried = store::deliveries::carried_by(conn, rider).await?;
        found.extend(carried.into_iter().map(|d| Finding::Carried(d.id)));
    }
    Ok(found)
}

async fn settle(conn: &mut Conn, cause: &Cause, finding: Finding) -> Result<(), Refusal> {
    match finding {
        Finding::Offers(delivery) => close_offers::expire(conn, cause, delivery).await,
        Finding::Timers(delivery) => set_missing_timers(conn, delivery).await,
        Finding::Stale(rider) => silent_riders::mark_stale(conn, cause, rider, STALE_S).await,
        Finding::Silent(rider) => silent_riders::raise_alarm(conn, rider).await,
        Finding::Carried(delivery) => {
            silent_riders::reassign_or_alarm(conn, cause, delivery, deadlines::silence_s(kind::SILENT)).await
        }
        Finding::OffDuty(rider) => {
            silent_riders::end_shift(conn, cause, rider, deadlines::silence_s(kind::OFF_DUTY)).await
        }
    }
}

async fn set_missing_timers(conn: &mut Conn, id: DeliveryId) -> Result<(), Refusal> {
    let delivery = store::deliveries::lock(conn, id).await?;
    tracing::warn!(delivery.id = %id, state = %delivery.state, "Delivery {id} had lost a timer");
    if is_unassigned(delivery.state) {
        return schedule_deadlines(conn, &delivery).await.map(drop);
    }
    match deadlines::fixed(delivery.state) {
        Some(deadline) => {
            timers::set(conn, "delivery", id.0, deadline.kind, delivery.state_since + deadline.after).await
        }
        None => Ok(()),
    }
}
