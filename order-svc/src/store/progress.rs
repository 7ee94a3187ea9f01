//! How far an order's ticket and delivery are: copies of their newest news, for whoever watches the order.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::event::Snapshot;
use pannier_contracts::{OrderId, Version};
use pannier_platform::{Cause, Conn, Prepare as _, Refusal, events};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::schema::progress;

/// An order's progress; version 0 before anything was heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Grows with every piece of news.
    pub version: Version,
    /// The ticket, as the kitchen told last.
    pub ticket: Option<serde_json::Value>,
    /// The delivery, as dispatch told last.
    pub delivery: Option<serde_json::Value>,
}

impl Progress {
    /// Nothing was heard yet.
    pub const NONE: Self = Self { version: Version(0), ticket: None, delivery: None };
}

/// A progress row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = progress)]
pub(super) struct Row {
    version: i64,
    ticket: Option<serde_json::Value>,
    delivery: Option<serde_json::Value>,
}

impl From<Option<Row>> for Progress {
    fn from(row: Option<Row>) -> Self {
        match row {
            Some(row) => Self { version: Version(row.version), ticket: row.ticket, delivery: row.delivery },
            None => Self::NONE,
        }
    }
}

/// What the log says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgressSnapshot {
    /// Of which order.
    pub order_id: OrderId,
    /// Which news this is, counted per order.
    pub version: Version,
    /// The ticket, if there is one.
    pub ticket: Option<serde_json::Value>,
    /// The delivery, if there is one.
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

/// Whose news it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The kitchen's.
    Ticket,
    /// Dispatch's.
    Delivery,
}

/// One order's news.
#[derive(Debug)]
pub struct Copy<'a> {
    /// Of which order.
    pub order_id: OrderId,
    /// What is kept of the ticket or delivery.
    pub copy: serde_json::Value,
    /// Who says so, in which trace.
    pub cause: &'a Cause,
}

/// Keeps what the kitchen or dispatch told, for many orders at once, each order at most once.
///
/// # Errors
/// `NotFound` when one of the orders is not there.
pub async fn keep(conn: &mut Conn, part: Part, copies: &[Copy<'_>]) -> Result<(), Refusal> {
    #[derive(QueryableByName)]
    struct Kept {
        #[diesel(sql_type = SqlUuid)]
        order_id: Uuid,
        #[diesel(sql_type = BigInt)]
        version: i64,
        #[diesel(sql_type = Nullable<Text>)]
        ticket: Option<String>,
        #[diesel(sql_type = Nullable<Text>)]
        delivery: Option<String>,
    }
    macro_rules! keep {
        ($column:literal) => {
            concat!(
                "INSERT INTO progress AS p (order_id, version, ",
                $column,
                ")
                 SELECT id, 1, copy::json FROM unnest($1, $2) AS news (id, copy)
                 WHERE EXISTS (SELECT FROM orders o WHERE o.id = news.id) ORDER BY id
                 ON CONFLICT (order_id) DO UPDATE SET version = p.version + 1, ",
                $column,
                " = excluded.",
                $column,
                "
                 RETURNING order_id, version, ticket::text AS ticket, delivery::text AS delivery"
            )
        };
    }
    let statement = match part {
        Part::Ticket => keep!("ticket"),
        Part::Delivery => keep!("delivery"),
    };
    let kept: Vec<Kept> = diesel::sql_query(statement)
        .bind::<Array<SqlUuid>, _>(copies.iter().map(|copy| copy.order_id.0).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(copies.iter().map(|copy| copy.copy.to_string()).collect::<Vec<_>>())
        .prepared()
        .load(conn)
        .await?;
    if kept.len() < copies.len() {
        return Err(Refusal::NotFound("order"));
    }
    let json = |text: Option<String>| {
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(|e| Refusal::Bug(anyhow::Error::new(e)))
    };
    for row in kept {
        let Some(copy) = copies.iter().find(|copy| copy.order_id.0 == row.order_id) else { continue };
        let snapshot = ProgressSnapshot {
            order_id: copy.order_id,
            version: Version(row.version),
            ticket: json(row.ticket)?,
            delivery: json(row.delivery)?,
        };
        events::append(conn, copy.cause, "changed", None, &snapshot).await?;
    }
    Ok(())
}
