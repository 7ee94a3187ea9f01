//! The progress of orders: copies of the newest events of their tickets and deliveries, for those who watch an order.

use diesel::prelude::*;
use diesel::sql_types::{Array, Json, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::event::Snapshot;
use pannier_contracts::{OrderId, Version};
use pannier_platform::{Cause, Conn, Prepare as _, Refusal, events};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::schema::progress;

/// The progress of an order.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = progress)]
pub struct Progress {
    /// Grows by one with every event of the ticket or the delivery.
    pub version: Version,
    /// The ticket after its newest event.
    pub ticket: Option<serde_json::Value>,
    /// The delivery after its newest event.
    pub delivery: Option<serde_json::Value>,
}

/// The progress of an order as it is logged.
#[derive(Debug, Clone, PartialEq, QueryableByName, Serialize, Deserialize)]
#[diesel(table_name = progress)]
pub struct ProgressSnapshot {
    /// The order.
    pub order_id: OrderId,
    /// As in [`Progress`].
    pub version: Version,
    /// As in [`Progress`].
    pub ticket: Option<serde_json::Value>,
    /// As in [`Progress`].
    pub delivery: Option<serde_json::Value>,
}

impl Snapshot for ProgressSnapshot {
    const AGGREGATE: &'static str = "progress";
    fn aggregate_id(&self) -> Uuid {
        self.order_id.0
    }
    fn version(&self) -> Version {
        self.version
    }
}

/// The columns that hold a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Of the ticket.
    Ticket,
    /// Of the delivery.
    Delivery,
}

impl Part {
    const fn column(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Delivery => "delivery",
        }
    }
}

/// A new copy for one order.
#[derive(Debug)]
pub struct PartChange<'a> {
    /// The order.
    pub order_id: OrderId,
    /// The copy.
    pub copy: serde_json::Value,
    /// The cause of the event that the change is announced with.
    pub cause: &'a Cause,
}

/// Stores copies of one part for several orders, each order at most once, and announces them.
///
/// # Errors
/// [`Refusal::NotFound`] when one of the orders does not exist.
pub async fn upsert(conn: &mut Conn, part: Part, changes: &[PartChange<'_>]) -> Result<(), Refusal> {
    let column = part.column();
    // Raw: `unnest` keeps the text the same for any number of orders, and orders that do not exist are left out.
    let upsert = format!(
        "INSERT INTO progress AS p (order_id, version, {column})
         SELECT id, 1, copy FROM unnest($1, $2) AS new (id, copy)
         WHERE EXISTS (SELECT FROM orders o WHERE o.id = new.id) ORDER BY id
         ON CONFLICT (order_id) DO UPDATE SET version = p.version + 1, {column} = excluded.{column}
         RETURNING order_id, version, ticket, delivery"
    );
    let (ids, copies): (Vec<_>, Vec<_>) = changes.iter().map(|change| (change.order_id, &change.copy)).unzip();
    let changed: Vec<ProgressSnapshot> = diesel::sql_query(upsert)
        .bind::<Array<SqlUuid>, _>(ids)
        .bind::<Array<Json>, _>(copies)
        .prepared()
        .load(conn)
        .await?;
    if changed.len() < changes.len() {
        return Err(Refusal::NotFound("order"));
    }
    for snapshot in changed {
        let Some(change) = changes.iter().find(|change| change.order_id == snapshot.order_id) else { continue };
        events::append(conn, change.cause, "changed", None, &snapshot).await?;
    }
    Ok(())
}
