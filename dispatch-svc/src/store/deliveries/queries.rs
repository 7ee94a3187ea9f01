//! Reading deliveries.

use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Text};
use diesel_async::RunQueryDsl;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::{DeliveryId, OrderId, RiderId, ZoneId};
use pannier_platform::{Conn, Prepare as _, Refusal};
use uuid::Uuid;

use super::row::Delivery;
use crate::domain::deadlines;
use crate::domain::lifecycle::{is_carried, is_unassigned, states_where};
use crate::store::schema::deliveries;

/// One delivery.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn load(conn: &mut Conn, id: DeliveryId) -> Result<Delivery, Refusal> {
    deliveries::table
        .find(id)
        .select(Delivery::as_select())
        .first(conn)
        .await
        .optional()?
        .ok_or(Refusal::NotFound("delivery"))
}

/// The delivery of an order.
///
/// # Errors
/// [`Refusal::NotFound`] when it has none yet.
pub async fn id_of_order(conn: &mut Conn, order: OrderId) -> Result<DeliveryId, Refusal> {
    let id = deliveries::table.filter(deliveries::order_id.eq(order)).select(deliveries::id).first(conn).await;
    id.optional()?.ok_or(Refusal::NotFound("delivery"))
}

/// Deliveries in the order of their ids. Ids without a row are left out.
pub async fn by_ids(conn: &mut Conn, ids: &[DeliveryId]) -> Result<Vec<Delivery>, Refusal> {
    Ok(deliveries::table
        .filter(deliveries::id.eq_any(ids))
        .order(deliveries::id)
        .select(Delivery::as_select())
        .load(conn)
        .await?)
}

/// Deliveries without a rider, of one zone or of all.
pub async fn unassigned(conn: &mut Conn, zone: Option<&ZoneId>) -> Result<Vec<Delivery>, Refusal> {
    let query = deliveries::table
        .filter(deliveries::is_open)
        .filter(deliveries::state.eq_any(states_where(is_unassigned)))
        .order(deliveries::id)
        .select(Delivery::as_select())
        .into_boxed();
    Ok(match zone {
        Some(zone) => query.filter(deliveries::zone_id.eq(zone)).load(conn).await?,
        None => query.load(conn).await?,
    })
}

/// Deliveries that riders carry or fetch, in the order in which they were accepted.
pub async fn carried(conn: &mut Conn) -> Result<Vec<Delivery>, Refusal> {
    Ok(deliveries::table
        .filter(deliveries::is_open)
        .filter(deliveries::state.eq_any(states_where(is_carried)))
        .order((deliveries::assigned_at, deliveries::id))
        .select(Delivery::as_select())
        .load(conn)
        .await?)
}

/// Deliveries that one rider carries or fetches, by id.
pub async fn carried_by(conn: &mut Conn, rider: RiderId) -> Result<Vec<Delivery>, Refusal> {
    Ok(deliveries::table
        .filter(deliveries::rider_id.eq(rider))
        .filter(deliveries::state.eq_any(states_where(is_carried)))
        .order(deliveries::id)
        .select(Delivery::as_select())
        .load(conn)
        .await?)
}

/// Open deliveries without a timer that their state has, by the rule [`deadlines::kept`]. A timer that ended as an alarm
/// is not missing while that alarm is open.
pub async fn without_timers(conn: &mut Conn) -> Result<Vec<DeliveryId>, Refusal> {
    #[derive(QueryableByName)]
    #[diesel(table_name = deliveries)]
    struct Found {
        id: DeliveryId,
    }
    let rule =
        DeliveryState::ALL.iter().flat_map(|state| deadlines::kept(*state).into_iter().map(|kind| (*state, kind)));
    let (states, kinds): (Vec<DeliveryState>, Vec<&str>) = rule.unzip();
    let alarming: Vec<bool> = kinds.iter().map(|kind| deadlines::raises_alarm(kind)).collect();
    // Raw: joins the rule, which is an array, with tables of the platform.
    let found: Vec<Found> = diesel::sql_query(
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
    Ok(found.into_iter().map(|row| row.id).collect())
}

/// What a list of deliveries shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListFilter {
    /// Only this rider's.
    pub rider: Option<RiderId>,
    /// Only those that have not ended.
    pub open: bool,
}

/// At most `limit` deliveries, oldest first, after a cursor.
pub async fn page(
    conn: &mut Conn,
    filter: ListFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Delivery>, Refusal> {
    let mut query = deliveries::table
        .filter(deliveries::id.gt(after.unwrap_or(Uuid::nil())))
        .order(deliveries::id)
        .limit(limit)
        .select(Delivery::as_select())
        .into_boxed();
    if let Some(rider) = filter.rider {
        query = query.filter(deliveries::rider_id.eq(rider));
    }
    if filter.open {
        query = query.filter(deliveries::is_open);
    }
    Ok(query.load(conn).await?)
}
