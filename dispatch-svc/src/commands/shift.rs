//! A rider's shift: online, pause, offline. Each command succeeds when its state is reached already.

use pannier_contracts::rider::RiderStatus;
use pannier_contracts::{Lifecycle as _, Place, RiderId};
use pannier_platform::{Cause, Conn, Refusal, alarms, timers};

use super::close_offers::revoke;
use super::off_duty::carrier_is_back;
use crate::domain::actions;
use crate::domain::cells;
use crate::domain::lifecycle::{ShiftLifecycle, ShiftTrigger};
use crate::store::{self, Rider};

/// Begins a shift at a place, or ends a pause.
///
/// # Errors
/// [`Refusal::NotFound`] without a profile.
pub async fn go_online(conn: &mut Conn, cause: &Cause, id: RiderId, place: Place) -> Result<Rider, Refusal> {
    let rider = store::riders::load(conn, id).await?;
    let now = timers::now(conn).await?;
    let is_online = rider.status == RiderStatus::Available && !rider.stale;
    let rider = if is_online {
        rider
    } else {
        carrier_is_back(conn, id).await?;
        let was_off = rider.status == RiderStatus::Offline;
        store::riders::update(conn, cause, "status_changed", &rider, |r| {
            r.status = RiderStatus::Available;
            r.stale = false;
            // Who still has food from the shift before is not idle.
            if was_off && r.active == 0 {
                r.idle_since = now;
            }
        })
        .await?
    };
    store::riders::set_place(conn, id, place, &cells::name(cells::of(&place))).await?;
    alarms::resolve(conn, id.0).await?;
    Ok(rider)
}

/// Stops new offers. Accepted deliveries are carried on.
///
/// # Errors
/// [`Refusal::NotFound`] without a profile; [`Refusal::Illegal`] when not on shift.
pub async fn pause(conn: &mut Conn, cause: &Cause, id: RiderId) -> Result<Rider, Refusal> {
    let rider = store::riders::load(conn, id).await?;
    if rider.status == RiderStatus::Paused {
        return Ok(rider);
    }
    apply_shift_trigger(conn, cause, &rider, ShiftTrigger::Pause).await
}

/// Ends the shift. Open offers are revoked.
///
/// # Errors
/// [`Refusal::NotFound`] without a profile; [`Refusal::Illegal`] `carrying` while they have deliveries.
pub async fn go_offline(conn: &mut Conn, cause: &Cause, id: RiderId) -> Result<Rider, Refusal> {
    let rider = store::riders::load(conn, id).await?;
    if rider.status == RiderStatus::Offline {
        return Ok(rider);
    }
    if rider.active > 0 {
        return Err(Refusal::Illegal {
            code: "carrying",
            detail: format!("you still have {} orders", rider.active),
            state: rider.status.to_string(),
            allowed: vec!["pause".to_owned()],
        });
    }
    for delivery in store::offers::deliveries_offered_to(conn, id).await? {
        revoke(conn, cause, delivery, id).await?;
    }
    // The dispatcher locks a rider before it sends an offer: from here on it sends none to them.
    store::riders::lock(conn, &[id]).await?;
    if !store::offers::deliveries_offered_to(conn, id).await?.is_empty() {
        return Err(Refusal::Conflict);
    }
    alarms::resolve(conn, id.0).await?;
    apply_shift_trigger(conn, cause, &rider, ShiftTrigger::GoOffline).await
}

/// Writes the next status of a rider's shift.
pub(super) async fn apply_shift_trigger(
    conn: &mut Conn,
    cause: &Cause,
    rider: &Rider,
    trigger: ShiftTrigger,
) -> Result<Rider, Refusal> {
    let to = ShiftLifecycle::next(rider.status, trigger)
        .map_err(|e| Refusal::illegal(&e, actions::owned(actions::of_shift(rider.status))))?;
    store::riders::update(conn, cause, "status_changed", rider, |r| {
        r.status = to;
        r.stale = r.stale && to != RiderStatus::Offline;
    })
    .await
}
