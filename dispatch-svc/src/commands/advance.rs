//! A delivery takes one step, with everything that this step brings with it: offers taken back, load freed,
//! timers set and cleared, alarms settled.

use chrono::{DateTime, Utc};
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::{Place, RiderId};
use pannier_platform::{Cause, Conn, Refusal, alarms, timers};

use crate::domain::deadlines::{self, kind};
use crate::domain::lifecycle::{OfferTrigger, Trigger, is_carried, is_unassigned};
use crate::domain::zone::Moments;
use crate::store::offers::Which;
use crate::store::{self, Delivery};

/// What a step needs to know beside its name.
#[derive(Debug, Clone, Copy, Default)]
pub struct How<'a> {
    /// Who takes it: with [`Trigger::Accept`].
    pub rider: Option<RiderId>,
    /// Why.
    pub reason: Option<&'a str>,
    /// When it happened, if it is told later than it happened.
    pub occurred_at: Option<DateTime<Utc>>,
    /// The database's now, if it was read with the lock.
    pub now: Option<DateTime<Utc>>,
    /// Where the rider sets out from, with [`Trigger::Accept`].
    pub from: Option<Place>,
}

impl How<'_> {
    /// Nothing but the time.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Self {
        Self { now: Some(now), ..Self::default() }
    }
}

/// Takes `delivery`, which the caller has locked, one step.
///
/// # Errors
/// `Illegal` when there is no such step, `Conflict` when it has changed since it was loaded.
pub async fn advance(
    conn: &mut Conn,
    cause: &Cause,
    delivery: &Delivery,
    trigger: Trigger,
    how: How<'_>,
) -> Result<Delivery, Refusal> {
    let now = match how.now {
        Some(now) => now,
        None => timers::now(conn).await?,
    };
    let at = happened_at(delivery, how.occurred_at, now);
    let next = store::deliveries::advance(conn, cause, delivery, trigger, now, |d| match trigger {
        Trigger::Accept => {
            d.rider_id = how.rider;
            d.assigned_at = Some(now);
            d.watched_place = how.from;
        }
        Trigger::ArriveAtPickup => d.at_pickup_at = Some(at),
        Trigger::PickUp => d.picked_up_at = Some(at),
        Trigger::ArriveAtDropoff => d.at_dropoff_at = Some(at),
        Trigger::Deliver => d.delivered_at = Some(at),
        Trigger::Reassign => {
            d.attempt += 1;
            (d.rider_id, d.assigned_at, d.at_pickup_at, d.watched_place) = (None, None, None, None);
        }
        Trigger::Cancel | Trigger::GiveUp | Trigger::TurnBack | Trigger::Fail => {
            d.reason = how.reason.map(str::to_owned);
        }
        Trigger::Search | Trigger::SendOffer | Trigger::LoseOffers | Trigger::ArriveBack => {}
    })
    .await?;
    let (from, to) = (delivery.state, next.state);

    match trigger {
        Trigger::Cancel | Trigger::GiveUp => {
            revoke(conn, cause, &next, Which::All, how.reason.unwrap_or(to.as_str())).await?;
        }
        Trigger::Reassign => revoke(conn, cause, &next, Which::All, "reassigned").await?,
        _ => {}
    }
    if is_carried(from) && !is_carried(to) {
        let why = if trigger == Trigger::Reassign { "reassigned" } else { to.as_str() };
        store::offers::end_assignment(conn, delivery.id, why).await?;
        if let Some(rider) = delivery.rider_id {
            store::riders::unload(conn, cause, rider, now).await?;
        }
    }
    if deadlines::settles_alarms(from, to) {
        alarms::resolve(conn, delivery.id.0).await?;
    }
    set_timers(conn, &next, from, now).await?;
    Ok(next)
}

/// A tap made offline tells when it happened: after the step before it, and not in the future.
fn happened_at(delivery: &Delivery, told: Option<DateTime<Utc>>, now: DateTime<Utc>) -> DateTime<Utc> {
    let before = delivery.at_dropoff_at.or(delivery.picked_up_at).or(delivery.at_pickup_at).or(delivery.assigned_at);
    let told = told.unwrap_or(now).min(now);
    before.map_or(told, |before| told.max(before))
}

async fn revoke(conn: &mut Conn, cause: &Cause, of: &Delivery, which: Which, why: &str) -> Result<(), Refusal> {
    store::offers::close_counted(conn, cause, of, which, OfferTrigger::Revoke, Some(why)).await?;
    Ok(())
}

async fn set_timers(
    conn: &mut Conn,
    delivery: &Delivery,
    from: DeliveryState,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let (id, to) = (delivery.id.0, delivery.state);
    let kept = deadlines::kept(to);
    let over: Vec<&str> = deadlines::kept(from).iter().copied().filter(|k| !kept.contains(k)).collect();
    timers::clear(conn, id, &over).await?;
    // Wanted again: the moments of the policy count again.
    if is_unassigned(to) && !is_unassigned(from) {
        return set_moments(conn, delivery).await.map(drop);
    }
    match deadlines::fixed(to) {
        Some(deadline) if !deadlines::kept(from).contains(&deadline.kind) => {
            timers::set(conn, "delivery", id, deadline.kind, now + deadline.after).await
        }
        _ => Ok(()),
    }
}

/// Sets the timers of a delivery without a rider by the zone's policy.
///
/// # Errors
/// What the database says.
pub async fn set_moments(conn: &mut Conn, delivery: &Delivery) -> Result<Moments, Refusal> {
    let policy = store::zones::policy(conn, &delivery.zone_id).await?;
    let moments = Moments::of(delivery.ready_at, &policy);
    let id = delivery.id.0;
    if delivery.state == DeliveryState::Scheduled {
        timers::set(conn, "delivery", id, kind::SEARCH, moments.search_at).await?;
    }
    timers::set(conn, "delivery", id, kind::AT_RISK, moments.at_risk_at).await?;
    timers::set(conn, "delivery", id, kind::GIVE_UP, moments.give_up_at).await?;
    Ok(moments)
}
