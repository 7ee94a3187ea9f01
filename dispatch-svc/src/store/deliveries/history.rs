//! The recent past of orders: what demand and kitchens are estimated from.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::{MerchantId, Place, ZoneId};
use pannier_platform::{Conn, Refusal};

use crate::store::schema::deliveries;

/// The times of one order's delivery.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = deliveries)]
pub struct OrderHistory {
    /// The zone.
    pub zone_id: ZoneId,
    /// The shop.
    pub merchant_id: MerchantId,
    /// Where the shop is.
    pub pickup: Place,
    /// When the delivery was opened.
    pub opened_at: DateTime<Utc>,
    /// The ready time that the shop stated last.
    pub ready_at: DateTime<Utc>,
    /// The ready time that the shop stated first; none in rows from before it was kept.
    pub stated_ready_at: Option<DateTime<Utc>>,
    /// When the shop reported the food ready, if it did so before pickup.
    pub ready_seen_at: Option<DateTime<Utc>>,
    /// When the rider arrived at the counter.
    pub at_pickup_at: Option<DateTime<Utc>>,
    /// When the rider took the food.
    pub picked_up_at: Option<DateTime<Utc>>,
    /// The state of the delivery.
    pub state: DeliveryState,
    /// When it entered its state.
    pub state_since: DateTime<Utc>,
}

/// The newest `limit` orders in whatever state, newest first. Ids grow with time, so this reads the end of an index.
pub async fn recent(conn: &mut Conn, limit: i64) -> Result<Vec<OrderHistory>, Refusal> {
    let newest = deliveries::table.order(deliveries::id.desc()).limit(limit);
    Ok(newest.select(OrderHistory::as_select()).load(conn).await?)
}
