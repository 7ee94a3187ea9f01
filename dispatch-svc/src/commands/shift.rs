//! A rider's shift: online, pause, offline. Asking for what is already so is no failure.

use pannier_contracts::rider::RiderStatus;
use pannier_contracts::{Lifecycle as _, Place, RiderId};
use pannier_platform::{Cause, Conn, Refusal, alarms, timers};

use super::close_offers::leave;
use crate::domain::actions;
use crate::domain::lifecycle::{ShiftLifecycle, ShiftTrigger};
use crate::fleet::cells;
use crate::store::{self, Rider};

/// Begins a shift, or takes offers again, here.
///
/// # Errors
/// `NotFound` without a profile.
pub async fn go_online(conn: &mut Conn, cause: &Cause, id: RiderId, place: Place) -> Result<Rider, Refusal> {
    let rider = store::riders::load(conn, id).await?;
    let now = timers::now(conn).await?;
    let is_there = rider.status == RiderStatus::Available && !rider.stale;
    let rider = if is_there {
        rider
    } else {
        let was_off = rider.status == RiderStatus::Offline;
        store::riders::advance(conn, cause, "status_changed", &rider, |r| {
            r.status = RiderStatus::Available;
            r.stale = false;
            if was_off {
                r.idle_since = now;
            }
        })
        .await?
    };
    store::riders::place(conn, id, place, &cells::name(cells::of(&place))).await?;
    alarms::resolve(conn, id.0).await?;
    Ok(rider)
}

/// Takes no new offers; finishes what is carried.
///
/// # Errors
/// 409 when not on shift.
pub async fn pause(conn: &mut Conn, cause: &Cause, id: RiderId) -> Result<Rider, Refusal> {
    let rider = store::riders::load(conn, id).await?;
    if rider.status == RiderStatus::Paused {
        return Ok(rider);
    }
    move_to(conn, cause, &rider, ShiftTrigger::Pause).await
}

/// Ends the shift. What they were asked and have not answered counts as a no, at once.
///
/// # Errors
/// 409 `carrying` with orders on board.
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
    for delivery in store::offers::deliveries_asked_of(conn, id).await? {
        leave(conn, cause, delivery, id).await?;
    }
    // Whoever offers them something locks them first, so from here on nobody does.
    store::riders::lock(conn, &[id]).await?;
    if !store::offers::deliveries_asked_of(conn, id).await?.is_empty() {
        return Err(Refusal::Conflict);
    }
    alarms::resolve(conn, id.0).await?;
    move_to(conn, cause, &rider, ShiftTrigger::GoOffline).await
}

async fn move_to(conn: &mut Conn, cause: &Cause, rider: &Rider, trigger: ShiftTrigger) -> Result<Rider, Refusal> {
    let to = ShiftLifecycle::next(rider.status, trigger)
        .map_err(|e| Refusal::illegal(&e, actions::owned(&actions::of_shift(rider.status))))?;
    store::riders::advance(conn, cause, "status_changed", rider, |r| {
        r.status = to;
        r.stale = r.stale && to != RiderStatus::Offline;
    })
    .await
}
