//! Orders. [`advance`] is the only way an order changes: guarded by its version, with its event, in the caller's transaction.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::order::{OrderLine, OrderSnapshot, OrderState};
use pannier_contracts::payment::PaymentState;
use pannier_contracts::{
    Currency, CustomerId, Lifecycle as _, MerchantId, Money, OrderId, PaymentId, Place, QuoteId, Version, ZoneId,
};
use pannier_platform::{Cause, Conn, Prepare as _, Refusal, events};
use uuid::Uuid;

use super::progress::{self, Progress};
use super::schema::{orders, payments, progress as progress_table};
use crate::domain::lifecycle::OrderLifecycle;
use crate::domain::pricing::Fee;

/// An order, with where its money and its progress are.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "columns; the migration documents them")]
pub struct Order {
    pub id: OrderId,
    pub version: Version,
    pub state: OrderState,
    pub external_id: Option<String>,
    pub quote_id: QuoteId,
    pub customer_id: CustomerId,
    pub merchant_id: MerchantId,
    pub merchant_name: String,
    pub zone_id: ZoneId,
    pub lines: serde_json::Value,
    pub fees: serde_json::Value,
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
    pub payment: PaymentNow,
    pub progress: Progress,
}

/// Where the money of an order is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentNow {
    /// Its state.
    pub state: PaymentState,
    /// Its version.
    pub version: Version,
    /// Which try of the customer it is.
    pub attempt: i32,
    /// Which payment.
    pub id: PaymentId,
    /// The operation that is noted and has no recorded answer, by its key.
    pub operation_key: Option<String>,
    /// When the reconciler looks at it next.
    pub next_attempt_at: Option<DateTime<Utc>>,
}

/// An order's row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = orders)]
struct Row {
    #[diesel(deserialize_as = Uuid)]
    id: OrderId,
    #[diesel(deserialize_as = i64)]
    version: Version,
    #[diesel(deserialize_as = String)]
    state: OrderState,
    external_id: Option<String>,
    #[diesel(deserialize_as = Uuid)]
    quote_id: QuoteId,
    #[diesel(deserialize_as = Uuid)]
    customer_id: CustomerId,
    #[diesel(deserialize_as = Uuid)]
    merchant_id: MerchantId,
    merchant_name: String,
    #[diesel(deserialize_as = String)]
    zone_id: ZoneId,
    lines: serde_json::Value,
    fees: serde_json::Value,
    #[diesel(deserialize_as = String)]
    currency: Currency,
    total: i64,
    pickup_lat: f64,
    pickup_lng: f64,
    dropoff_lat: f64,
    dropoff_lng: f64,
    promise_at: DateTime<Utc>,
    ready_at: Option<DateTime<Utc>>,
    pin: String,
    pin_hash: String,
    reason: Option<String>,
    placed_at: DateTime<Utc>,
}

/// What an order's readers see of its payment.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payments)]
struct PaymentRow {
    #[diesel(deserialize_as = Uuid)]
    id: PaymentId,
    #[diesel(deserialize_as = i64)]
    version: Version,
    #[diesel(deserialize_as = String)]
    state: PaymentState,
    attempt: i32,
    operation_key: Option<String>,
    next_attempt_at: Option<DateTime<Utc>>,
}

/// All of it, in one statement.
type Joined = (Row, PaymentRow, Option<progress::Row>);

fn joined((row, payment, progress): Joined) -> Order {
    Order {
        id: row.id,
        version: row.version,
        state: row.state,
        external_id: row.external_id,
        quote_id: row.quote_id,
        customer_id: row.customer_id,
        merchant_id: row.merchant_id,
        merchant_name: row.merchant_name,
        zone_id: row.zone_id,
        lines: row.lines,
        fees: row.fees,
        currency: row.currency,
        total: row.total,
        pickup_lat: row.pickup_lat,
        pickup_lng: row.pickup_lng,
        dropoff_lat: row.dropoff_lat,
        dropoff_lng: row.dropoff_lng,
        promise_at: row.promise_at,
        ready_at: row.ready_at,
        pin: row.pin,
        pin_hash: row.pin_hash,
        reason: row.reason,
        placed_at: row.placed_at,
        payment: PaymentNow {
            id: payment.id,
            state: payment.state,
            version: payment.version,
            attempt: payment.attempt,
            operation_key: payment.operation_key,
            next_attempt_at: payment.next_attempt_at,
        },
        progress: progress.into(),
    }
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
        .prepared()
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
}

/// Writes the next version of an order, if nobody else has, and its event.
///
/// # Errors
/// `Conflict` when a concurrent update won.
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
        ..order.clone()
    };
    let updated = diesel::update(orders::table.find(order.id.0).filter(orders::version.eq(order.version.0)))
        .set((
            orders::version.eq(after.version.0),
            orders::state.eq(after.state.as_str()),
            orders::ready_at.eq(after.ready_at),
            orders::reason.eq(&after.reason),
        ))
        .prepared()
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
    let order: Option<Joined> = orders::table
        .inner_join(payments::table)
        .left_join(progress_table::table)
        .filter(orders::id.eq(id.0))
        .select((Row::as_select(), PaymentRow::as_select(), Option::<progress::Row>::as_select()))
        .first(conn)
        .await
        .optional()?;
    order
        .map(joined)
        .filter(|o| match of {
            Of::Customer(customer) => o.customer_id == customer,
            Of::Merchant(merchant) => o.merchant_id == merchant,
            Of::Anyone => true,
        })
        .ok_or(Refusal::NotFound("order"))
}

/// Where an order is, with its row locked: whoever moves it next waits, and sees what was written meanwhile.
///
/// # Errors
/// `NotFound`.
pub async fn lock_state(conn: &mut Conn, id: OrderId) -> Result<OrderState, Refusal> {
    let state: Option<String> =
        orders::table.find(id.0).select(orders::state).for_no_key_update().first(conn).await.optional()?;
    let state = state.ok_or(Refusal::NotFound("order"))?;
    state.parse().map_err(|e: pannier_contracts::UnknownWord| Refusal::Bug(e.into()))
}

/// These orders, by id; those that are not there are left out.
///
/// # Errors
/// What the database refuses.
pub async fn these(conn: &mut Conn, ids: &[Uuid]) -> Result<Vec<Order>, Refusal> {
    let rows: Vec<Joined> = orders::table
        .inner_join(payments::table)
        .left_join(progress_table::table)
        .filter(orders::id.eq_any(ids))
        .order(orders::id)
        .select((Row::as_select(), PaymentRow::as_select(), Option::<progress::Row>::as_select()))
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(joined).collect())
}

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
    let mut query = orders::table
        .inner_join(payments::table)
        .left_join(progress_table::table)
        .select((Row::as_select(), PaymentRow::as_select(), Option::<progress::Row>::as_select()))
        .order(orders::id.desc())
        .limit(limit)
        .into_boxed();
    if let Some(customer) = filter.customer {
        query = query.filter(orders::customer_id.eq(customer.0));
    }
    if let Some(state) = filter.state {
        query = query.filter(orders::state.eq(state.as_str()));
        // Said so that the index of these few is used.
        query = match state {
            OrderState::Delivered => query,
            state if OrderLifecycle::is_terminal(state) => query.filter(orders::has_ended_early),
            _ => query.filter(orders::is_open),
        };
    }
    if filter.open {
        query = query.filter(orders::is_open);
    }
    if let Some(before) = before {
        query = query.filter(orders::id.lt(before));
    }
    let rows: Vec<Joined> = query.load(conn).await?;
    Ok(rows.into_iter().map(joined).collect())
}
