//! A shift ends without its rider: operations end it, or the rider has been silent for too long. Open offers are revoked,
//! what is not picked up is given to others, and food that they have stays theirs and becomes an alarm.

use pannier_contracts::rider::RiderStatus;
use pannier_contracts::{Lifecycle as _, RiderId, Version};
use pannier_platform::{Cause, Conn, Refusal, alarms};

use super::apply_trigger::{TransitionDetails, apply_trigger};
use super::close_offers::revoke_locked;
use super::shift::apply_shift_trigger;
use crate::domain::lifecycle::{DeliveryLifecycle, ShiftTrigger, Trigger, is_before_pickup, is_unassigned};
use crate::store::{self, Rider};

/// The alarm of a delivery whose rider has the food and is silent.
pub const CARRIER_SILENT: &str = "carrier_silent";
/// The alarm of a delivery whose rider has the food and was taken off duty.
pub const CARRIER_OFF_DUTY: &str = "carrier_off_duty";

/// Why a shift ends.
#[derive(Debug, Clone, Copy)]
pub enum Why<'a> {
    /// Operations ended it, for this reason.
    Operations(&'a str),
    /// The rider has been silent for so many seconds.
    Silence(i64),
}

impl Why<'_> {
    /// The code that revoked offers and ended assignments keep.
    const fn code(&self) -> &'static str {
        match self {
            Self::Operations(_) => "rider_off_duty",
            Self::Silence(_) => "rider_silent",
        }
    }

    /// The alarm of food that the rider has.
    fn alarm(&self, rider: RiderId) -> (&'static str, String) {
        match self {
            Self::Operations(reason) => {
                (CARRIER_OFF_DUTY, format!("rider {rider} has the food and was taken off duty: {reason}"))
            }
            Self::Silence(seconds) => {
                let minutes = seconds / 60;
                (CARRIER_SILENT, format!("rider {rider} has the food and has not been heard of for {minutes} minutes"))
            }
        }
    }
}

/// Ends the shift. Succeeds when it has ended already.
///
/// # Errors
/// [`Refusal::NotFound`]; [`Refusal::Stale`] when the rider is not at the version `seen`, if the caller decided on one.
pub async fn off_duty(
    conn: &mut Conn,
    cause: &Cause,
    id: RiderId,
    seen: Option<Version>,
    why: Why<'_>,
) -> Result<Rider, Refusal> {
    let mut deliveries = store::offers::deliveries_offered_to(conn, id).await?;
    deliveries.extend(store::deliveries::carried_by(conn, id).await?.iter().map(|d| d.id));
    // All of them before the rider's row: see `commands`. An acceptance that was under way is committed then, and has changed
    // the rider.
    let locked = store::deliveries::lock_all(conn, &deliveries).await?;
    let rider = store::riders::load(conn, id).await?;
    if seen.is_some_and(|seen| seen != rider.version) {
        return Err(Refusal::Stale { current: rider.version });
    }
    if rider.status == RiderStatus::Offline {
        return Ok(rider);
    }
    for (delivery, now) in locked {
        if is_unassigned(delivery.state) {
            revoke_locked(conn, cause, delivery, id, why.code()).await?;
        } else if delivery.rider_id != Some(id) {
            // It went to another rider meanwhile.
        } else if DeliveryLifecycle::table(delivery.state, Trigger::Reassign).is_some() {
            let details = TransitionDetails { reason: Some(why.code()), ..TransitionDetails::at(now) };
            apply_trigger(conn, cause, &delivery, Trigger::Reassign, details).await?;
        } else if !DeliveryLifecycle::is_terminal(delivery.state) {
            let (kind, detail) = why.alarm(id);
            alarms::raise(conn, kind, "delivery", delivery.id.0, &detail).await?;
        }
    }
    // The dispatcher locks a rider before it sends an offer: from here on it sends none to them.
    let rider = store::riders::lock(conn, &[id]).await?.pop().ok_or(Refusal::Conflict)?;
    let carried = store::deliveries::carried_by(conn, id).await?;
    let is_offered = !store::offers::deliveries_offered_to(conn, id).await?.is_empty();
    if is_offered || carried.iter().any(|d| is_before_pickup(d.state)) {
        return Err(Refusal::Conflict);
    }
    alarms::resolve(conn, id.0).await?;
    let rider = apply_shift_trigger(conn, cause, &rider, ShiftTrigger::GoOffline).await?;
    tracing::info!(rider.id = %id, ?why, actor = cause.actor, "The shift of rider {id} was ended");
    Ok(rider)
}

/// Resolves the alarms of food whose rider was silent or off duty: they are on duty again.
pub async fn carrier_is_back(conn: &mut Conn, id: RiderId) -> Result<(), Refusal> {
    for delivery in store::deliveries::carried_by(conn, id).await? {
        for kind in [CARRIER_SILENT, CARRIER_OFF_DUTY] {
            alarms::resolve_kind(conn, delivery.id.0, kind).await?;
        }
    }
    Ok(())
}
