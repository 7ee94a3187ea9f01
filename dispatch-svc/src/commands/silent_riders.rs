//! Riders who send no positions, and riders who send some again.

use pannier_contracts::lifecycle::Then;
use pannier_contracts::rider::RiderStatus;
use pannier_contracts::{DeliveryId, LifecycleTable as _, RiderId};
use pannier_platform::{Cause, Conn, Refusal, alarms};

use super::off_duty::{CARRIER_SILENT, Why, carrier_is_back, off_duty};
use super::reassign::reassign;
use crate::domain::actions;
use crate::domain::deadlines::kind;
use crate::domain::lifecycle::{ShiftLifecycle, is_carried};
use crate::store;

/// Marks a rider on shift as stale, if they have been silent for `seconds`: they get no offers.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn mark_stale(conn: &mut Conn, cause: &Cause, id: RiderId, seconds: i64) -> Result<(), Refusal> {
    let rider = store::riders::load(conn, id).await?;
    if rider.stale || rider.status == RiderStatus::Offline || !store::riders::is_silent(conn, id, seconds).await? {
        return Ok(());
    }
    store::riders::update(conn, cause, "status_changed", &rider, |r| r.stale = true).await?;
    tracing::info!(rider.id = %id, "Rider {id} is silent");
    Ok(())
}

/// Ends the staleness of a rider who has sent a position, and the alarms of their silence.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn mark_fresh(conn: &mut Conn, cause: &Cause, id: RiderId) -> Result<(), Refusal> {
    let rider = store::riders::load(conn, id).await?;
    if rider.stale {
        carrier_is_back(conn, id).await?;
        store::riders::update(conn, cause, "status_changed", &rider, |r| r.stale = false).await?;
    }
    alarms::resolve(conn, id.0).await
}

/// Raises the alarm that operations should call a silent rider.
pub async fn raise_alarm(conn: &mut Conn, id: RiderId) -> Result<(), Refusal> {
    let rider = store::riders::load(conn, id).await?;
    match ShiftLifecycle::wait(rider.status, kind::SILENT).map(|wait| wait.then) {
        Some(Then::Alarm(words)) => alarms::raise(conn, kind::SILENT, "rider", id.0, words).await,
        _ => Ok(()),
    }
}

/// Ends the shift of a rider who has been silent for `seconds`.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn end_shift(conn: &mut Conn, cause: &Cause, id: RiderId, seconds: i64) -> Result<(), Refusal> {
    if !store::riders::is_silent(conn, id, seconds).await? {
        return Ok(());
    }
    off_duty(conn, cause, id, None, Why::Silence(seconds)).await.map(drop)
}

/// Reassigns a delivery whose rider has been silent for `seconds`. From pickup on it becomes an alarm instead.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn reassign_or_alarm(conn: &mut Conn, cause: &Cause, id: DeliveryId, seconds: i64) -> Result<(), Refusal> {
    let delivery = store::deliveries::lock(conn, id).await?;
    let Some(rider) = delivery.rider_id else { return Ok(()) };
    if !store::riders::is_silent(conn, rider, seconds).await? {
        return Ok(());
    }
    if actions::of_ops(delivery.state).contains(&"reassign") {
        reassign(conn, cause, id, None, "rider_silent").await?;
    } else if is_carried(delivery.state) {
        let detail = format!("rider {rider} has the food and has not been heard of for {} minutes", seconds / 60);
        alarms::raise(conn, CARRIER_SILENT, "delivery", id.0, &detail).await?;
    }
    Ok(())
}
