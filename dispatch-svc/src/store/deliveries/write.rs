//! Changing deliveries: every new version is announced by one event.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::order::OrderSnapshot;
use pannier_contracts::{DeliveryId, Lifecycle as _, Place, Version};
use pannier_platform::{Cause, Conn, Prepare as _, Refusal, events};

use super::row::Delivery;
use crate::domain::actions;
use crate::domain::lifecycle::{DeliveryLifecycle, Trigger};
use crate::store::riders::audience;
use crate::store::schema::deliveries;

/// Opens the delivery of an order, and announces it.
///
/// # Errors
/// [`Refusal::Conflict`] when the order has one already.
pub async fn insert(
    conn: &mut Conn,
    cause: &Cause,
    order: &OrderSnapshot,
    ready_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Delivery, Refusal> {
    let row: Option<Delivery> = diesel::insert_into(deliveries::table)
        .values((
            deliveries::id.eq(DeliveryId::generate()),
            deliveries::order_id.eq(order.id),
            deliveries::merchant_id.eq(order.merchant_id),
            deliveries::merchant_name.eq(&order.merchant_name),
            deliveries::zone_id.eq(&order.zone_id),
            deliveries::pickup.eq(order.pickup),
            deliveries::dropoff.eq(order.dropoff),
            deliveries::ready_at.eq(ready_at),
            deliveries::stated_ready_at.eq(ready_at),
            deliveries::promise_at.eq(order.promise_at),
            deliveries::pin_hash.eq(&order.pin_hash),
            deliveries::state.eq(DeliveryState::Scheduled),
            deliveries::version.eq(Version::FIRST),
            deliveries::opened_at.eq(now),
            deliveries::state_since.eq(now),
        ))
        .on_conflict_do_nothing()
        .returning(Delivery::as_returning())
        .prepared()
        .get_result(conn)
        .await
        .optional()?;
    let row = row.ok_or(Refusal::Conflict)?;
    events::append(conn, cause, "opened", None, &row.snapshot()).await?;
    Ok(row)
}

/// Writes one transition: the next state with whatever `change` sets, and its event. Offers, load, timers and alarms are the
/// caller's: see [`crate::commands::apply_trigger`].
///
/// # Errors
/// [`Refusal::Illegal`] when the lifecycle has no such transition, [`Refusal::Conflict`] when a concurrent update won.
pub async fn apply(
    conn: &mut Conn,
    cause: &Cause,
    delivery: &Delivery,
    trigger: Trigger,
    now: DateTime<Utc>,
    change: impl FnOnce(&mut Delivery),
) -> Result<Delivery, Refusal> {
    let to = DeliveryLifecycle::next(delivery.state, trigger)
        .map_err(|e| Refusal::illegal(&e, actions::owned(actions::of_carried(delivery.state))))?;
    let mut next = delivery.clone();
    change(&mut next);
    next.state = to;
    next.state_since = now;
    write(conn, cause, delivery, next, to.as_str()).await
}

/// The times that a delivery takes over from its order.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// The ready time that the shop stated last.
    pub ready_at: DateTime<Utc>,
    /// The time that the customer was promised.
    pub promise_at: DateTime<Utc>,
    /// When the shop reported the food ready.
    pub ready_seen_at: Option<DateTime<Utc>>,
}

/// Changes the times of a delivery, and announces it as `replanned`.
///
/// # Errors
/// [`Refusal::Conflict`] when a concurrent update won.
pub async fn update_times(
    conn: &mut Conn,
    cause: &Cause,
    delivery: &Delivery,
    times: Times,
) -> Result<Delivery, Refusal> {
    let Times { ready_at, promise_at, ready_seen_at } = times;
    let next = Delivery { ready_at, promise_at, ready_seen_at, ..delivery.clone() };
    write(conn, cause, delivery, next, "replanned").await
}

/// Moves several deliveries to `offered` in one statement, with an event per transition: from `scheduled` by way of
/// `searching`. Those that are offered already stay as they are. The caller holds their locks.
///
/// # Errors
/// [`Refusal::Conflict`] when one of them has changed; the caller's transaction has to be rolled back.
pub async fn offer_all(
    conn: &mut Conn,
    cause: &Cause,
    deliveries: &[Delivery],
    now: DateTime<Utc>,
) -> Result<Vec<Delivery>, Refusal> {
    let mut offered = Vec::with_capacity(deliveries.len());
    let mut transitions = Vec::new();
    for delivery in deliveries {
        let mut at = delivery.clone();
        for trigger in [Trigger::Search, Trigger::SendOffer] {
            let Some(to) = DeliveryLifecycle::table(at.state, trigger) else { continue };
            at = Delivery { state: to, state_since: now, version: at.version.next(), ..at };
            transitions.push(at.clone());
        }
        offered.push(at);
    }
    let changed: Vec<(&Delivery, &Delivery)> =
        deliveries.iter().zip(&offered).filter(|(before, after)| before.version != after.version).collect();
    if changed.is_empty() {
        return Ok(offered);
    }
    // Raw: several rows, each set to values of its own.
    let written = diesel::sql_query(
        "UPDATE deliveries d SET state = new.state, version = new.version, state_since = $1
         FROM unnest($2, $3, $4, $5) AS new (id, seen, version, state)
         WHERE d.id = new.id AND d.version = new.seen",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Array<SqlUuid>, _>(changed.iter().map(|(before, _)| before.id).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(changed.iter().map(|(before, _)| before.version).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(changed.iter().map(|(_, after)| after.version).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(changed.iter().map(|(_, after)| after.state).collect::<Vec<_>>())
    .prepared()
    .execute(conn)
    .await?;
    if written < changed.len() {
        return Err(Refusal::Conflict);
    }
    for next in &transitions {
        let cause = cause.about(next.id.0);
        events::append(conn, &cause, next.state.as_str(), None, &next.snapshot()).await?;
    }
    Ok(offered)
}

async fn write(
    conn: &mut Conn,
    cause: &Cause,
    seen: &Delivery,
    next: Delivery,
    kind: &str,
) -> Result<Delivery, Refusal> {
    let next = Delivery { version: seen.version.next(), ..next };
    let changed = diesel::update(deliveries::table.find(seen.id).filter(deliveries::version.eq(seen.version)))
        .set((
            deliveries::state.eq(next.state),
            deliveries::version.eq(next.version),
            deliveries::ready_at.eq(next.ready_at),
            deliveries::promise_at.eq(next.promise_at),
            deliveries::attempt.eq(next.attempt),
            deliveries::rider_id.eq(next.rider_id),
            deliveries::reason.eq(&next.reason),
            deliveries::state_since.eq(next.state_since),
            deliveries::assigned_at.eq(next.assigned_at),
            deliveries::at_pickup_at.eq(next.at_pickup_at),
            deliveries::picked_up_at.eq(next.picked_up_at),
            deliveries::at_dropoff_at.eq(next.at_dropoff_at),
            deliveries::delivered_at.eq(next.delivered_at),
            deliveries::watched_place.eq(next.watched_place),
            deliveries::ready_seen_at.eq(next.ready_seen_at),
        ))
        .prepared()
        .execute(conn)
        .await?;
    if changed == 0 {
        return Err(Refusal::Conflict);
    }
    // A rider who loses it is told, too, although the new row does not name them.
    let told = next.rider_id.or(seen.rider_id).map(audience);
    events::append(conn, cause, kind, told, &next.snapshot()).await?;
    Ok(next)
}

/// Keeps when the shop reported the food ready; only the first report counts. No new version: no snapshot shows it.
pub async fn set_ready_seen(conn: &mut Conn, id: DeliveryId, now: DateTime<Utc>) -> Result<(), Refusal> {
    diesel::update(deliveries::table.find(id).filter(deliveries::ready_seen_at.is_null()))
        .set(deliveries::ready_seen_at.eq(now))
        .prepared()
        .execute(conn)
        .await?;
    Ok(())
}

/// Keeps where the rider is, for the next check for movement. No new version: no snapshot shows it.
pub async fn set_watched_place(conn: &mut Conn, id: DeliveryId, place: Option<Place>) -> Result<(), Refusal> {
    diesel::update(deliveries::table.find(id)).set(deliveries::watched_place.eq(place)).execute(conn).await?;
    Ok(())
}
