//! The dispatcher asks riders: the round that explains it, the delivery's step and the offers are one transaction.

use chrono::{DateTime, Utc};
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::rider::RiderStatus;
use pannier_contracts::{RiderId, Version};
use pannier_engine::Decision;
use pannier_platform::{Cause, Conn, Refusal, timers};
use uuid::Uuid;

use super::advance::{How, advance};
use crate::domain::deadlines::{self, kind};
use crate::domain::lifecycle::Trigger;
use crate::store;
use crate::store::rounds::Made;

/// Asks `riders`, if the delivery is still as it was when the plan was made. Whoever cannot take it any more is left out;
/// the next tick looks again. Returns who was asked.
///
/// # Errors
/// `Conflict` when something changed in this moment.
pub async fn send_offers(
    conn: &mut Conn,
    cause: &Cause,
    (decision, made): (&Decision, &Made),
    riders: &[RiderId],
    seen: Version,
) -> Result<Vec<RiderId>, Refusal> {
    let mut delivery = store::deliveries::lock(conn, decision.delivery).await?;
    if delivery.version != seen {
        return Ok(Vec::new());
    }
    let mut asked = willing(conn, riders).await?;
    asked.sort_by_key(|rider| riders.iter().position(|r| r == rider));
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let now = timers::now(conn).await?;
    let round = store::rounds::insert(conn, decision, made, now).await?;
    if delivery.state == DeliveryState::Scheduled {
        delivery = advance(conn, cause, &delivery, Trigger::Search, How::default()).await?;
    }
    if delivery.state == DeliveryState::Searching {
        delivery = advance(conn, cause, &delivery, Trigger::SendOffer, How::default()).await?;
    }
    let expires_at: DateTime<Utc> = now + deadlines::OFFER;
    for rider in &asked {
        let offer = store::offers::insert(conn, cause, &delivery, *rider, round.0, (now, expires_at)).await?;
        timers::set(conn, "offer", offer.id.0, kind::EXPIRY, expires_at).await?;
        tracing::info!(delivery.id = %delivery.id, rider.id = %rider, "Delivery {} offered to {rider}", delivery.id);
    }
    Ok(asked)
}

/// Those of these riders who can be asked right now: locked, so that nobody goes offline or fills up meanwhile.
async fn willing(conn: &mut Conn, riders: &[RiderId]) -> Result<Vec<RiderId>, Refusal> {
    let ids: Vec<Uuid> = riders.iter().map(|r| r.0).collect();
    let rows = store::riders::lock(conn, &ids).await?;
    let open = store::offers::open_counts(conn, &ids).await?;
    let load = |rider: &store::Rider| {
        let asked = open.iter().find(|(id, _)| *id == rider.id.0).map_or(0, |(_, n)| *n);
        i64::from(rider.active) + asked
    };
    Ok(rows
        .iter()
        .filter(|r| r.status == RiderStatus::Available && !r.stale && load(r) < i64::from(r.capacity))
        .map(|r| r.id)
        .collect())
}
