//! Tickets.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::order::OrderLine;
use pannier_contracts::ticket::{TicketSnapshot, TicketState};
use pannier_contracts::{MerchantId, OrderId, TicketId, Version};
use pannier_platform::{Cause, Conn, Json, Prepare as _, Refusal, events};

use super::schema::tickets;
use crate::domain::lifecycle::is_open;

/// SQL: whether an event `p` belongs to an open ticket. Raw, because the platform puts it into its own statement, for every
/// service another one.
pub const IS_OPEN: &str = "EXISTS (SELECT 1 FROM tickets t WHERE t.id = p.aggregate_id AND t.is_open)";

#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = tickets)]
struct Row {
    id: TicketId,
    version: Version,
    state: TicketState,
    order_id: OrderId,
    merchant_id: MerchantId,
    lines: Json<Vec<OrderLine>>,
    ready_at: Option<DateTime<Utc>>,
    reason: Option<String>,
    opened_at: DateTime<Utc>,
}

impl From<Row> for TicketSnapshot {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            version: row.version,
            state: row.state,
            order_id: row.order_id,
            merchant_id: row.merchant_id,
            lines: row.lines.0,
            ready_at: row.ready_at,
            reason: row.reason,
            opened_at: row.opened_at,
        }
    }
}

impl From<TicketSnapshot> for Row {
    fn from(ticket: TicketSnapshot) -> Self {
        Self {
            id: ticket.id,
            version: ticket.version,
            state: ticket.state,
            order_id: ticket.order_id,
            merchant_id: ticket.merchant_id,
            lines: Json(ticket.lines),
            ready_at: ticket.ready_at,
            reason: ticket.reason,
            opened_at: ticket.opened_at,
        }
    }
}

/// The audience of a ticket's events: the stream of its shop.
#[must_use]
pub fn audience(shop: MerchantId) -> String {
    format!("merchant:{}", shop.0)
}

/// A ticket of this shop.
///
/// # Errors
/// [`Refusal::NotFound`] when there is none, or it is another shop's.
pub async fn load(conn: &mut Conn, id: TicketId, shop: MerchantId) -> Result<TicketSnapshot, Refusal> {
    let row = tickets::table
        .find(id)
        .filter(tickets::merchant_id.eq(shop))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(row.ok_or(Refusal::NotFound("ticket"))?.into())
}

/// The ticket of an order, if it has one.
pub async fn find_by_order(conn: &mut Conn, order: OrderId) -> Result<Option<TicketSnapshot>, Refusal> {
    let row =
        tickets::table.filter(tickets::order_id.eq(order)).select(Row::as_select()).first(conn).await.optional()?;
    Ok(row.map(Into::into))
}

/// Which tickets a list has.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this shop; `None` for all shops.
    pub shop: Option<MerchantId>,
    /// In this state; `None` for all states.
    pub state: Option<TicketState>,
    /// Only those that are [open](is_open).
    pub open: bool,
}

/// At most `limit` tickets with an id after `after`, oldest first.
pub async fn list(
    conn: &mut Conn,
    filter: Filter,
    after: Option<TicketId>,
    limit: Option<i64>,
) -> Result<Vec<TicketSnapshot>, Refusal> {
    let mut query = tickets::table.select(Row::as_select()).order(tickets::id).into_boxed();
    if let Some(shop) = filter.shop {
        query = query.filter(tickets::merchant_id.eq(shop));
    }
    if let Some(state) = filter.state {
        query = query.filter(tickets::state.eq(state));
    }
    // A condition on the state alone would not use the index of open tickets.
    if filter.open || filter.state.is_some_and(is_open) {
        query = query.filter(tickets::is_open);
    }
    if let Some(after) = after {
        query = query.filter(tickets::id.gt(after));
    }
    if let Some(limit) = limit {
        query = query.limit(limit);
    }
    Ok(query.load(conn).await?.into_iter().map(Into::into).collect())
}

/// Stores a new ticket with its event `ticket.opened.v1`.
///
/// # Errors
/// [`Refusal::Conflict`] when its order has a ticket already.
pub async fn insert(conn: &mut Conn, cause: &Cause, ticket: &TicketSnapshot) -> Result<(), Refusal> {
    let inserted = diesel::insert_into(tickets::table)
        .values(Row::from(ticket.clone()))
        .on_conflict_do_nothing()
        .prepared()
        .execute(conn)
        .await?;
    if inserted == 0 {
        return Err(Refusal::Conflict);
    }
    events::append(conn, cause, "opened", Some(audience(ticket.merchant_id)), ticket).await
}

/// Stores the next version of a ticket with its event, which is named after the new state.
///
/// # Errors
/// [`Refusal::Conflict`] when the ticket is not at the version of `before` any more.
pub async fn update(
    conn: &mut Conn,
    cause: &Cause,
    before: &TicketSnapshot,
    after: TicketSnapshot,
) -> Result<TicketSnapshot, Refusal> {
    let after = TicketSnapshot { version: before.version.next(), ..after };
    let updated = diesel::update(tickets::table.find(before.id).filter(tickets::version.eq(before.version)))
        .set((
            tickets::version.eq(after.version),
            tickets::state.eq(after.state),
            tickets::ready_at.eq(after.ready_at),
            tickets::reason.eq(&after.reason),
        ))
        .prepared()
        .execute(conn)
        .await?;
    if updated == 0 {
        return Err(Refusal::Conflict);
    }
    events::append(conn, cause, after.state.as_str(), Some(audience(after.merchant_id)), &after).await?;
    Ok(after)
}

/// The ticket of an order.
///
/// # Errors
/// [`Refusal::NotFound`] when it has none yet.
pub async fn id_of_order(conn: &mut Conn, order: OrderId) -> Result<TicketId, Refusal> {
    let id = tickets::table.filter(tickets::order_id.eq(order)).select(tickets::id).first(conn).await.optional()?;
    id.ok_or(Refusal::NotFound("ticket"))
}
