//! Riders who are not heard of, and riders who are heard of again.

use pannier_contracts::rider::RiderStatus;
use pannier_contracts::{DeliveryId, RiderId};
use pannier_platform::{Cause, Conn, Refusal, alarms};

use super::reassign::reassign;
use crate::domain::actions;
use crate::domain::lifecycle::is_carried;
use crate::store;

/// Nobody knows where they are: no offers, if they are still silent.
///
/// # Errors
/// `Conflict` when the rider changed in this moment.
pub async fn mark_stale(conn: &mut Conn, cause: &Cause, id: RiderId, silent_s: i64) -> Result<(), Refusal> {
    let rider = store::riders::load(conn, id).await?;
    if rider.stale || rider.status == RiderStatus::Offline || !store::riders::is_silent(conn, id, silent_s).await? {
        return Ok(());
    }
    store::riders::advance(conn, cause, "status_changed", &rider, |r| r.stale = true).await?;
    tracing::info!(rider.id = %id, "Rider {id} is silent");
    Ok(())
}

/// Heard of again.
///
/// # Errors
/// `Conflict` when the rider changed in this moment.
pub async fn mark_fresh(conn: &mut Conn, cause: &Cause, id: RiderId) -> Result<(), Refusal> {
    let rider = store::riders::load(conn, id).await?;
    if rider.stale {
        store::riders::advance(conn, cause, "status_changed", &rider, |r| r.stale = false).await?;
    }
    alarms::resolve(conn, id.0).await
}

/// A rider silent for long: somebody should call them.
///
/// # Errors
/// What the database says.
pub async fn raise_alarm(conn: &mut Conn, id: RiderId) -> Result<(), Refusal> {
    let detail = format!("rider {id} has not been heard of for five minutes");
    alarms::raise(conn, "rider_silent", "rider", id.0, &detail).await
}

/// What a rider silent for long has not picked up goes to somebody else; what they have is an alarm.
///
/// # Errors
/// `Conflict` when the delivery changed in this moment.
pub async fn rescue(conn: &mut Conn, cause: &Cause, id: DeliveryId, silent_s: i64) -> Result<(), Refusal> {
    let delivery = store::deliveries::lock(conn, id).await?;
    let Some(rider) = delivery.rider_id else { return Ok(()) };
    if !store::riders::is_silent(conn, rider, silent_s).await? {
        return Ok(());
    }
    if actions::of_ops(delivery.state).contains(&"reassign") {
        reassign(conn, cause, id, None, "rider_silent").await?;
        return Ok(());
    }
    if is_carried(delivery.state) {
        let detail = format!("rider {rider} has the food and has not been heard of for five minutes");
        alarms::raise(conn, "carrier_silent", "delivery", id.0, &detail).await?;
    }
    Ok(())
}
