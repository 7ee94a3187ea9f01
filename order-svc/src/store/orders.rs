//! Orders. [`advance`] is the only way an order changes: guarded by its version, with its event, in the caller's transaction.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::order::{OrderLine, OrderSnapshot, OrderState};
use pannier_contracts::{Currency, CustomerId, MerchantId, Money, OrderId, Place, QuoteId, Version, ZoneId};
use pannier_platform::{Cause, Conn, Refusal, events};
use uuid::Uuid;

use super::schema::orders;
use crate::domain::pricing::Fee;

/// An order's row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = orders)]
#[allow(missing_docs, reason = "columns; the migration documents them")]
pub struct Order {
    #[diesel(deserialize_as = Uuid)]
    pub id: OrderId,
    #[diesel(deserialize_as = i64)]
    pub version: Version,
    #[diesel(deserialize_as = String)]
    pub state: OrderState,
    pub external_id: Option<String>,
    #[diesel(deserialize_as = Uuid)]
    pub quote_id: QuoteId,
    #[diesel(deserialize_as = Uuid)]
    pub customer_id: CustomerId,
    #[diesel(deserialize_as = Uuid)]
    pub merchant_id: MerchantId,
    pub merchant_name: String,
    #[diesel(deserialize_as = String)]
    pub zone_id: ZoneId,
    pub lines: serde_json::Value,
    pub fees: serde_json::Value,
    #[diesel(deserialize_as = String)]
    pub currency: Currency,
    pub total: i64,
    pub pickup_lat: f64,
    pub pickup_lng: f64,
    pub dropoff_lat: f64,
    pub dropoff_lng: f64,
    pub promise_at: DateTime<Utc>,
    pub ready_at: Option<DateTime<Utc>>,
    pub pin: String,
    pub pin_hash: String,
    pub reason: Option<String>,
    pub placed_at: DateTime<Utc>,
    pub ticket: Option<serde_json::Value>,
    pub delivery: Option<serde_json::Value>,
}

impl Order {
    /// What is ordered.
    ///
    /// # Errors
    /// When the row is broken.
    pub fn lines(&self) -> Result<Vec<OrderLine>, Refusal> {
        serde_json::from_value(self.lines.clone()).map_err(|e| Refusal::Bug(e.into()))
    }

    /// What else is charged.
    ///
    /// # Errors
    /// When the row is broken.
    pub fn fees(&self) -> Result<Vec<Fee>, Refusal> {
        serde_json::from_value(self.fees.clone()).map_err(|e| Refusal::Bug(e.into()))
    }

    /// What the customer pays.
    #[must_use]
    pub fn total(&self) -> Money {
        Money::new(self.total, self.currency)
    }

    /// Where the shop is.
    ///
    /// # Errors
    /// When the row is broken.
    pub fn pickup(&self) -> Result<Place, Refusal> {
        Place::new(self.pickup_lat, self.pickup_lng).map_err(|e| Refusal::Bug(e.into()))
    }

    /// Where the customer is.
    ///
    /// # Errors
    /// When the row is broken.
    pub fn dropoff(&self) -> Result<Place, Refusal> {
        Place::new(self.dropoff_lat, self.dropoff_lng).map_err(|e| Refusal::Bug(e.into()))
    }

    /// What others hear of it.
    ///
    /// # Errors
    /// When the row is broken.
    pub fn snapshot(&self) -> Result<OrderSnapshot, Refusal> {
        Ok(OrderSnapshot {
            id: self.id,
            version: self.version,
            state: self.state,
            customer_id: self.customer_id,
            merchant_id: self.merchant_id,
            merchant_name: self.merchant_name.clone(),
            zone_id: self.zone_id.clone(),
            lines: self.lines()?,
            total: self.total(),
            pickup: self.pickup()?,
            dropoff: self.dropoff()?,
            ready_at: self.ready_at,
            promise_at: self.promise_at,
            pin_hash: self.pin_hash.clone(),
            reason: self.reason.clone(),
            placed_at: self.placed_at,
        })
    }
}

/// Writes a new order and its event.
///
/// # Errors
/// `Illegal` when the quote or the external id has an order already: a constraint's name is the answer.
pub async fn insert(conn: &mut Conn, cause: &Cause, order: &Order) -> Result<(), Refusal> {
    diesel::insert_into(orders::table)
        .values((
            (
                orders::id.eq(order.id.0),
                orders::version.eq(order.version.0),
                orders::state.eq(order.state.as_str()),
                orders::external_id.eq(&order.external_id),
                orders::quote_id.eq(order.quote_id.0),
                orders::customer_id.eq(order.customer_id.0),
                orders::merchant_id.eq(order.merchant_id.0),
                orders::merchant_name.eq(&order.merchant_name),
                orders::zone_id.eq(order.zone_id.as_str()),
                orders::lines.eq(&order.lines),
                orders::fees.eq(&order.fees),
                orders::currency.eq(order.currency.as_str()),
                orders::total.eq(order.total),
            ),
            (
                orders::pickup_lat.eq(order.pickup_lat),
                orders::pickup_lng.eq(order.pickup_lng),
                orders::dropoff_lat.eq(order.dropoff_lat),
                orders::dropoff_lng.eq(order.dropoff_lng),
                orders::promise_at.eq(order.promise_at),
                orders::pin.eq(&order.pin),
                orders::pin_hash.eq(&order.pin_hash),
                orders::placed_at.eq(order.placed_at),
            ),
        ))
        .execute(conn)
        .await
        .map_err(|e| match &e {
            diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, info) => {
                let (code, detail) = match info.constraint_name() {
                    Some("orders_external_id") => {
                        ("external_id_used", "there is an order with this external_id already")
                    }
                    _ => ("quote_used", "this quote has become an order already"),
                };
                Refusal::Illegal { code, detail: detail.to_owned(), state: "used".to_owned(), allowed: Vec::new() }
            }
            _ => e.into(),
        })?;
    events::append(conn, cause, "placed", None, &order.snapshot()?).await
}

/// What changes with a version.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The new state, when it is another.
    pub state: Option<OrderState>,
    /// The kitchen's time.
    pub ready_at: Option<DateTime<Utc>>,
    /// Why it ended.
    pub reason: Option<String>,
    /// The newest ticket.
    pub ticket: Option<serde_json::Value>,
    /// The newest delivery.
    pub delivery: Option<serde_json::Value>,
}

/// Writes the next version of an order, if nobody else has, and its event.
///
/// # Errors
/// `Conflict` when somebody was faster.
pub async fn advance(
    conn: &mut Conn,
    cause: &Cause,
    order: &Order,
    kind: &str,
    change: Change,
) -> Result<Order, Refusal> {
    let after = Order {
        version: order.version.next(),
        state: change.state.unwrap_or(order.state),
        ready_at: change.ready_at.or(order.ready_at),
        reason: change.reason.or_else(|| order.reason.clone()),
        ticket: change.ticket.or_else(|| order.ticket.clone()),
        delivery: change.delivery.or_else(|| order.delivery.clone()),
        ..order.clone()
    };
    let updated = diesel::update(orders::table.find(order.id.0).filter(orders::version.eq(order.version.0)))
        .set((
            orders::version.eq(after.version.0),
            orders::state.eq(after.state.as_str()),
            orders::ready_at.eq(after.ready_at),
            orders::reason.eq(&after.reason),
            orders::ticket.eq(&after.ticket),
            orders::delivery.eq(&after.delivery),
        ))
        .execute(conn)
        .await?;
    if updated == 0 {
        return Err(Refusal::Conflict);
    }
    events::append(conn, cause, kind, None, &after.snapshot()?).await?;
    Ok(after)
}

/// Whose order it must be.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    /// A customer's own.
    Customer(CustomerId),
    /// A shop's own.
    Merchant(MerchantId),
    /// Anybody's: operations and handlers of news.
    Anyone,
}

/// An order that the caller may see.
///
/// # Errors
/// `NotFound` when there is none, or it is somebody else's.
pub async fn load(conn: &mut Conn, id: OrderId, of: Of) -> Result<Order, Refusal> {
    let order: Option<Order> = orders::table.find(id.0).select(Order::as_select()).first(conn).await.optional()?;
    order
        .filter(|o| match of {
            Of::Customer(customer) => o.customer_id == customer,
            Of::Merchant(merchant) => o.merchant_id == merchant,
            Of::Anyone => true,
        })
        .ok_or(Refusal::NotFound("order"))
}

/// The states in which an order is not over.
pub const OPEN: &[&str] = &["pending_payment", "paid", "accepted", "ready", "delivering"];

/// What a list asks for.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this customer's.
    pub customer: Option<CustomerId>,
    /// Only in this state.
    pub state: Option<OrderState>,
    /// Only those that are not over.
    pub open: bool,
}

/// Orders, newest first, after (older than) a cursor.
///
/// # Errors
/// What the database says.
pub async fn list(conn: &mut Conn, filter: Filter, before: Option<Uuid>, limit: i64) -> Result<Vec<Order>, Refusal> {
    let mut query = orders::table.select(Order::as_select()).order(orders::id.desc()).limit(limit).into_boxed();
    if let Some(customer) = filter.customer {
        query = query.filter(orders::customer_id.eq(customer.0));
    }
    if let Some(state) = filter.state {
        query = query.filter(orders::state.eq(state.as_str()));
    }
    if filter.open {
        query = query.filter(orders::state.eq_any(OPEN));
    }
    if let Some(before) = before {
        query = query.filter(orders::id.lt(before));
    }
    Ok(query.load(conn).await?)
}
