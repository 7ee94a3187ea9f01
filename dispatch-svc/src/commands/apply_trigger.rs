//! One transition of a delivery with all its consequences: offers are revoked, the rider's load is freed, timers are set and
//! cleared, alarms are resolved.

use chrono::{DateTime, Utc};
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::{Place, RiderId};
use pannier_platform::{Cause, Conn, Refusal, alarms, timers};

use crate::domain::deadlines::{self, SearchDeadlines, kind};
use crate::domain::lifecycle::{OfferTrigger, Trigger, is_carried, is_unassigned};
use crate::store::offers::OfferFilter;
use crate::store::{self, Delivery};

/// What is known about a transition beside its trigger.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransitionDetails<'a> {
    /// With [`Trigger::Accept`]: the rider who accepted.
    pub rider: Option<RiderId>,
    /// With [`Trigger::Accept`]: where the rider starts from.
    pub from: Option<Place>,
    /// Why the delivery does not reach the customer, a code; or why its offers are revoked.
    pub reason: Option<&'a str>,
    /// When it happened, if it is reported later.
    pub occurred_at: Option<DateTime<Utc>>,
    /// The database's time, if the caller has read it with the lock.
    pub now: Option<DateTime<Utc>>,
}

impl TransitionDetails<'_> {
    /// Only the database's time.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Self {
        Self { now: Some(now), ..Self::default() }
    }
}

/// Applies a trigger to a delivery that the caller has locked.
///
/// # Errors
/// [`Refusal::Illegal`] when the lifecycle has no such transition.
pub async fn apply_trigger(
    conn: &mut Conn,
    cause: &Cause,
    delivery: &Delivery,
    trigger: Trigger,
    details: TransitionDetails<'_>,
) -> Result<Delivery, Refusal> {
    let now = match details.now {
        Some(now) => now,
        None => timers::now(conn).await?,
    };
    let at = occurred_at(delivery, details.occurred_at, now);
    let next = store::deliveries::apply(conn, cause, delivery, trigger, now, |d| match trigger {
        Trigger::Accept => {
            (d.rider_id, d.assigned_at, d.watched_place) = (details.rider, Some(now), details.from);
        }
        Trigger::ArriveAtPickup => d.at_pickup_at = Some(at),
        Trigger::PickUp => d.picked_up_at = Some(at),
        Trigger::ArriveAtDropoff => d.at_dropoff_at = Some(at),
        // Why it was being brought back is in the events before.
        Trigger::Deliver => (d.delivered_at, d.reason) = (Some(at), None),
        Trigger::Reassign => {
            d.attempt += 1;
            (d.rider_id, d.assigned_at, d.at_pickup_at, d.watched_place) = (None, None, None, None);
        }
        Trigger::Cancel | Trigger::GiveUp | Trigger::TurnBack | Trigger::Fail => {
            d.reason = details.reason.map(str::to_owned);
        }
        Trigger::Search | Trigger::SendOffer | Trigger::LoseOffers | Trigger::ArriveBack => {}
    })
    .await?;
    let (from, to) = (delivery.state, next.state);

    let revoked_because = match trigger {
        Trigger::Cancel | Trigger::GiveUp => Some(details.reason.unwrap_or(to.as_str())),
        Trigger::Reassign => Some("reassigned"),
        _ => None,
    };
    if revoked_because.is_some() {
        let (all, revoke) = (OfferFilter::All, OfferTrigger::Revoke);
        store::offers::close_and_count(conn, cause, &next, all, revoke, revoked_because).await?;
    }
    if is_carried(from) && !is_carried(to) {
        let reason = if trigger == Trigger::Reassign { "reassigned" } else { to.as_str() };
        store::offers::end_assignment(conn, delivery.id, reason).await?;
        if let Some(rider) = delivery.rider_id {
            store::riders::remove_delivery(conn, cause, rider, now).await?;
        }
    }
    if deadlines::settles_alarms(from, to) {
        alarms::resolve(conn, delivery.id.0).await?;
    }
    reschedule_timers(conn, &next, from, now).await?;
    Ok(next)
}

/// When a transition happened: as reported, but not before the transition that precedes it, and not in the future.
fn occurred_at(delivery: &Delivery, reported: Option<DateTime<Utc>>, now: DateTime<Utc>) -> DateTime<Utc> {
    let before = delivery.at_dropoff_at.or(delivery.picked_up_at).or(delivery.at_pickup_at).or(delivery.assigned_at);
    let reported = reported.unwrap_or(now).min(now);
    before.map_or(reported, |before| reported.max(before))
}

/// Clears the timers that end with the state `from`, and sets those that begin with the delivery's new one.
async fn reschedule_timers(
    conn: &mut Conn,
    delivery: &Delivery,
    from: DeliveryState,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let (id, to) = (delivery.id.0, delivery.state);
    let kept = deadlines::kept(to);
    let ended: Vec<&str> = deadlines::kept(from).into_iter().filter(|kind| !kept.contains(kind)).collect();
    timers::clear(conn, id, &ended).await?;
    if is_unassigned(to) && !is_unassigned(from) {
        return schedule_deadlines(conn, delivery).await.map(drop);
    }
    match deadlines::fixed(to) {
        Some(deadline) => timers::set(conn, "delivery", id, deadline.kind, now + deadline.after).await,
        None => Ok(()),
    }
}

/// Sets the timers of a delivery without a rider, by its ready time and the zone's policy.
pub async fn schedule_deadlines(conn: &mut Conn, delivery: &Delivery) -> Result<SearchDeadlines, Refusal> {
    let policy = store::zones::policy(conn, &delivery.zone_id).await?;
    let deadlines = SearchDeadlines::new(delivery.ready_at, &policy);
    let id = delivery.id.0;
    if delivery.state == DeliveryState::Scheduled {
        timers::set(conn, "delivery", id, kind::SEARCH, deadlines.search_at).await?;
    }
    timers::set(conn, "delivery", id, kind::AT_RISK, deadlines.at_risk_at).await?;
    timers::set(conn, "delivery", id, kind::GIVE_UP, deadlines.give_up_at).await?;
    Ok(deadlines)
}
