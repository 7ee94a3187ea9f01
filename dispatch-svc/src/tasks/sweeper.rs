//! Finds from the tables alone what should have moved and did not. Needs neither broker nor Redis, and can be run twice.

use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::RunQueryDsl as _;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::{DeliveryId, RiderId};
use pannier_platform::leases::Lease;
use pannier_platform::{Cause, Conn, Db, Instance, Refusal, Stop, timers};
use uuid::Uuid;

use crate::commands::advance::set_moments;
use crate::commands::{close_offers, silence};
use crate::domain::deadlines::{self, kind};
use crate::store;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(10);
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

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

async fn ids(conn: &mut Conn, sql: &str) -> Result<Vec<Uuid>, Refusal> {
    Ok(diesel::sql_query(sql).load::<Row>(conn).await?.into_iter().map(|r| r.id).collect())
}

async fn list(conn: &mut Conn) -> Result<Vec<Found>, Refusal> {
    let mut found = Vec::new();
    let offers = ids(
        conn,
        "SELECT DISTINCT delivery_id AS id FROM offers
         WHERE state = 'sent' AND expires_at < statement_timestamp() - interval '2 s'
         UNION
         SELECT d.id FROM deliveries d WHERE d.is_open AND d.state = 'offered'
             AND NOT EXISTS (SELECT FROM offers o WHERE o.delivery_id = d.id AND o.state = 'sent')",
    );
    found.extend(offers.await?.into_iter().map(|id| Found::Offers(DeliveryId(id))));
    // An alarm takes the place of the timer that raised it.
    let timers = ids(
        conn,
        "SELECT d.id FROM deliveries d
         CROSS JOIN LATERAL (VALUES
             (d.state = 'scheduled', 'search', ''),
             (d.state IN ('scheduled', 'searching', 'offered'), 'give_up', ''),
             (d.state IN ('scheduled', 'searching', 'offered'), 'at_risk', 'at_risk'),
             (d.state = 'assigned', 'no_movement', ''),
             (d.state IN ('picked_up', 'at_dropoff'), 'slow_ride', 'slow_ride'),
             (d.state = 'returning', 'slow_return', 'slow_return')) AS t(needed, kind, alarm)
         WHERE t.needed
             AND d.is_open
             AND NOT EXISTS (SELECT FROM timers WHERE aggregate_id = d.id AND kind = t.kind)
             AND NOT EXISTS (SELECT FROM alarms a WHERE a.aggregate_id = d.id AND a.kind = t.alarm AND a.resolved_at IS NULL)
         GROUP BY d.id",
    );
    found.extend(timers.await?.into_iter().map(|id| Found::Timers(DeliveryId(id))));

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
    use DeliveryState as D;
    let delivery = store::deliveries::lock(conn, id).await?;
    tracing::warn!(delivery.id = %id, state = %delivery.state, "Delivery {id} had lost a timer");
    let (kind, wait) = match delivery.state {
        D::Scheduled | D::Searching | D::Offered => return set_moments(conn, &delivery).await.map(drop),
        D::Assigned => (kind::NO_MOVEMENT, deadlines::NO_MOVEMENT),
        D::PickedUp | D::AtDropoff => (kind::RIDE, deadlines::RIDE),
        D::Returning => (kind::RETURN, deadlines::RETURN),
        D::AtPickup | D::Delivered | D::Returned | D::Failed | D::Cancelled | D::Unassignable => return Ok(()),
    };
    timers::set(conn, "delivery", id.0, kind, delivery.state_since + wait).await
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
