//! Deliveries: one per order, and from pickup on the row that decides. What is read is here; `steps.rs` writes.

mod steps;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Text};
use diesel_async::RunQueryDsl;
use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
use pannier_contracts::{DeliveryId, MerchantId, OfferId, OrderId, Place, RiderId, Version, ZoneId};
use pannier_platform::db::functions::clock_timestamp;
use pannier_platform::{Conn, Prepare as _, Refusal};
use uuid::Uuid;

pub use self::steps::{Times, advance, note_ready, offer_all, open, replan, watch};
use super::schema::{deliveries, offers};
use crate::domain::deadlines;
use crate::domain::lifecycle::{is_carried, is_unassigned, states_where};

/// A delivery.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = deliveries)]
pub struct Delivery {
    /// Which delivery.
    pub id: DeliveryId,
    /// The order it carries.
    pub order_id: OrderId,
    /// The shop.
    pub merchant_id: MerchantId,
    /// Its name, for the rider.
    pub merchant_name: String,
    /// Whose policy it follows.
    pub zone_id: ZoneId,
    /// Where the shop is.
    pub pickup: Place,
    /// Where the customer is.
    pub dropoff: Place,
    /// When the kitchen means to be done.
    pub ready_at: DateTime<Utc>,
    /// What the customer was told.
    pub promise_at: DateTime<Utc>,
    /// What a PIN is checked with.
    pub pin_hash: String,
    /// Where it is.
    pub state: DeliveryState,
    /// How often it has changed.
    pub version: Version,
    /// One more with every reassignment.
    pub attempt: i32,
    /// Who carries it, or carried it when it ended.
    pub rider_id: Option<RiderId>,
    /// Why it ended early.
    pub reason: Option<String>,
    /// Since when we know it.
    pub opened_at: DateTime<Utc>,
    /// Since when it is in its state.
    pub state_since: DateTime<Utc>,
    /// When the rider said yes.
    pub assigned_at: Option<DateTime<Utc>>,
    /// When they stood at the counter.
    pub at_pickup_at: Option<DateTime<Utc>>,
    /// When the food left the shop.
    pub picked_up_at: Option<DateTime<Utc>>,
    /// When they stood at the door.
    pub at_dropoff_at: Option<DateTime<Utc>>,
    /// When the customer had it.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Where the rider was when last looked at.
    pub watched_place: Option<Place>,
    /// What the shop said first; not kept of old ones.
    pub stated_ready_at: Option<DateTime<Utc>>,
    /// Since when the shop says that it is ready.
    pub ready_seen_at: Option<DateTime<Utc>>,
}

impl Delivery {
    /// As the world sees it.
    #[must_use]
    pub fn snapshot(&self) -> DeliverySnapshot {
        DeliverySnapshot {
            id: self.id,
            version: self.version,
            state: self.state,
            order_id: self.order_id,
            merchant_id: self.merchant_id,
            zone_id: self.zone_id.clone(),
            rider_id: self.rider_id,
            attempt: self.attempt,
            ready_at: self.ready_at,
            picked_up_at: self.picked_up_at,
            delivered_at: self.delivered_at,
            reason: self.reason.clone(),
        }
    }
}

/// Locks a delivery. Whatever touches its offers or its riders' load locks it first, so nothing waits in a circle.
///
/// # Errors
/// `NotFound`.
pub async fn lock(conn: &mut Conn, id: DeliveryId) -> Result<Delivery, Refusal> {
    deliveries::table
        .find(id)
        .select(Delivery::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?
        .ok_or(Refusal::NotFound("delivery"))
}

/// [`lock`], with the database's now.
///
/// # Errors
/// `NotFound`.
pub async fn lock_now(conn: &mut Conn, id: DeliveryId) -> Result<(Delivery, DateTime<Utc>), Refusal> {
    deliveries::table
        .find(id)
        .select((Delivery::as_select(), clock_timestamp()))
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?
        .ok_or(Refusal::NotFound("delivery"))
}

/// Locks the delivery of a rider's offer: from then on the offer does not change. With the database's now.
///
/// # Errors
/// `NotFound` when there is no such offer, or it is somebody else's.
pub async fn lock_of_offer(
    conn: &mut Conn,
    offer: OfferId,
    rider: RiderId,
) -> Result<(Delivery, DateTime<Utc>), Refusal> {
    let of_offer =
        offers::table.filter(offers::id.eq(offer)).filter(offers::rider_id.eq(rider)).select(offers::delivery_id);
    deliveries::table
        .filter(deliveries::id.eq_any(of_offer))
        .select((Delivery::as_select(), clock_timestamp()))
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?
        .ok_or(Refusal::NotFound("offer"))
}

/// Locks these deliveries in the order of their ids; with the database's now.
///
/// # Errors
/// What the database refuses.
pub async fn lock_all(conn: &mut Conn, ids: &[DeliveryId]) -> Result<Vec<(Delivery, DateTime<Utc>)>, Refusal> {
    Ok(deliveries::table
        .filter(deliveries::id.eq_any(ids))
        .order(deliveries::id)
        .select((Delivery::as_select(), clock_timestamp()))
        .for_no_key_update()
        .load(conn)
        .await?)
}

/// Locks the delivery of an order, if there is one.
///
/// # Errors
/// What the database says.
pub async fn lock_of_order(conn: &mut Conn, order: OrderId) -> Result<Option<Delivery>, Refusal> {
    Ok(deliveries::table
        .filter(deliveries::order_id.eq(order))
        .select(Delivery::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?)
}

/// One delivery.
///
/// # Errors
/// `NotFound`.
pub async fn load(conn: &mut Conn, id: DeliveryId) -> Result<Delivery, Refusal> {
    deliveries::table
        .find(id)
        .select(Delivery::as_select())
        .first(conn)
        .await
        .optional()?
        .ok_or(Refusal::NotFound("delivery"))
}

/// These deliveries, by id.
///
/// # Errors
/// What the database says.
pub async fn these(conn: &mut Conn, ids: &[DeliveryId]) -> Result<Vec<Delivery>, Refusal> {
    Ok(deliveries::table
        .filter(deliveries::id.eq_any(ids))
        .order(deliveries::id)
        .select(Delivery::as_select())
        .load(conn)
        .await?)
}

/// All that want a rider, or of one zone.
///
/// # Errors
/// What the database says.
pub async fn unassigned(conn: &mut Conn, zone: Option<&ZoneId>) -> Result<Vec<Delivery>, Refusal> {
    let query = deliveries::table
        .filter(deliveries::is_open)
        .filter(deliveries::state.eq_any(states_where(is_unassigned)))
        .order(deliveries::id)
        .select(Delivery::as_select())
        .into_boxed();
    Ok(match zone {
        Some(zone) => query.filter(deliveries::zone_id.eq(zone.clone())).load(conn).await?,
        None => query.load(conn).await?,
    })
}

/// All that riders have, in the order in which they took them.
///
/// # Errors
/// What the database says.
pub async fn carried(conn: &mut Conn) -> Result<Vec<Delivery>, Refusal> {
    Ok(deliveries::table
        .filter(deliveries::is_open)
        .filter(deliveries::state.eq_any(states_where(is_carried)))
        .order((deliveries::assigned_at, deliveries::id))
        .select(Delivery::as_select())
        .load(conn)
        .await?)
}

/// Open deliveries without a timer that their state has, by the rule [`deadlines::kept`]. An alarm takes the place of the
/// timer that raised it.
///
/// # Errors
/// What the database says.
pub async fn without_timers(conn: &mut Conn) -> Result<Vec<DeliveryId>, Refusal> {
    let rule = DeliveryState::ALL.iter().flat_map(|state| deadlines::kept(*state).iter().map(|kind| (*state, *kind)));
    let (states, kinds): (Vec<DeliveryState>, Vec<&str>) = rule.unzip();
    let alarming: Vec<bool> = kinds.iter().map(|kind| deadlines::raises_alarm(kind)).collect();
    // Raw: joins the rule, which is no table, and the platform's tables.
    let rows: Vec<Id> = diesel::sql_query(
        "SELECT DISTINCT d.id FROM deliveries d
         JOIN unnest($1, $2, $3) AS rule (state, kind, alarming) ON rule.state = d.state
         WHERE d.is_open
             AND NOT EXISTS (SELECT FROM timers t WHERE t.aggregate_id = d.id AND t.kind = rule.kind)
             AND NOT (rule.alarming AND EXISTS (SELECT FROM alarms a
                 WHERE a.aggregate_id = d.id AND a.kind = rule.kind AND a.resolved_at IS NULL))",
    )
    .bind::<Array<Text>, _>(states)
    .bind::<Array<Text>, _>(kinds)
    .bind::<Array<Bool>, _>(alarming)
    .prepared()
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

#[derive(QueryableByName)]
#[diesel(table_name = deliveries)]
struct Id {
    id: DeliveryId,
}

/// An order as far as demand and kitchens are concerned.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = deliveries)]
pub struct Opened {
    /// Where.
    pub zone_id: ZoneId,
    /// Of which shop.
    pub merchant_id: MerchantId,
    /// Its counter.
    pub pickup: Place,
    /// When dispatch heard of it.
    pub opened_at: DateTime<Utc>,
    /// When its kitchen meant to be done.
    pub ready_at: DateTime<Utc>,
    /// When it meant so at first; not kept of old ones.
    pub stated_ready_at: Option<DateTime<Utc>>,
    /// Since when the shop says that it is ready.
    pub ready_seen_at: Option<DateTime<Utc>>,
    /// When a rider stood at the counter.
    pub at_pickup_at: Option<DateTime<Utc>>,
    /// When the food left the shop.
    pub picked_up_at: Option<DateTime<Utc>>,
    /// Where it is.
    pub state: DeliveryState,
    /// Since when it is in its state.
    pub state_since: DateTime<Utc>,
}

/// The newest orders, whatever became of them. Ids grow with time, so this reads the end of an index.
///
/// # Errors
/// What the database says.
pub async fn newest(conn: &mut Conn, limit: i64) -> Result<Vec<Opened>, Refusal> {
    Ok(deliveries::table.order(deliveries::id.desc()).limit(limit).select(Opened::as_select()).load(conn).await?)
}

/// What one rider has, by id.
///
/// # Errors
/// What the database says.
pub async fn carried_by(conn: &mut Conn, rider: RiderId) -> Result<Vec<Delivery>, Refusal> {
    Ok(deliveries::table
        .filter(deliveries::rider_id.eq(rider))
        .filter(deliveries::state.eq_any(states_where(is_carried)))
        .order(deliveries::id)
        .select(Delivery::as_select())
        .load(conn)
        .await?)
}

/// Which deliveries a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Only this rider's.
    pub rider: Option<RiderId>,
    /// Only those that are not over.
    pub open: bool,
}

/// A page of deliveries, oldest first.
///
/// # Errors
/// What the database says.
pub async fn page(conn: &mut Conn, shown: Shown, after: Option<Uuid>, limit: i64) -> Result<Vec<Delivery>, Refusal> {
    let mut query = deliveries::table
        .filter(deliveries::id.gt(after.unwrap_or(Uuid::nil())))
        .order(deliveries::id)
        .limit(limit)
        .select(Delivery::as_select())
        .into_boxed();
    if let Some(rider) = shown.rider {
        query = query.filter(deliveries::rider_id.eq(rider));
    }
    if shown.open {
        query = query.filter(deliveries::is_open);
    }
    Ok(query.load(conn).await?)
}
