//! Orders. [`update`] is the only way in which an order changes: guarded by its version, with its event.

use chrono::{DateTime, Utc};
use diesel::dsl::{AsSelect, auto_type};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_async::RunQueryDsl;
use pannier_contracts::order::{OrderLine, OrderSnapshot, OrderState};
use pannier_contracts::{
    Currency, CustomerId, Lifecycle as _, MerchantId, Money, OrderId, Place, QuoteId, Version, ZoneId,
};
use pannier_platform::{Cause, Conn, Json, Prepare as _, Refusal, events};

use super::payments::Payment;
use super::progress::Progress;
use super::schema::{orders, payments, progress};
use crate::domain::lifecycle::{OrderLifecycle, has_ended_early};
use crate::domain::pricing::Fee;
use crate::domain::who_pays::WhoPays;

// Without a foreign key, so the generated schema does not have it.
diesel::joinable!(progress -> orders (order_id));

/// An order's row, with its payment and its progress.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = orders, treat_none_as_default_value = false)]
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
    pub lines: Json<Vec<OrderLine>>,
    pub fees: Json<Vec<Fee>>,
    pub currency: Currency,
    pub total: i64,
    #[diesel(select_expression = (orders::pickup_lat, orders::pickup_lng), skip_insertion)]
    pub pickup: Place,
    #[diesel(select_expression = (orders::dropoff_lat, orders::dropoff_lng), skip_insertion)]
    pub dropoff: Place,
    pub promise_at: DateTime<Utc>,
    pub ready_at: Option<DateTime<Utc>>,
    pub pin: String,
    pub pin_hash: String,
    pub reason: Option<String>,
    pub placed_at: DateTime<Utc>,
    pub refund_share: i16,
    pub who_pays: Option<Json<WhoPays>>,
    #[diesel(embed, skip_insertion)]
    pub payment: Payment,
    /// `None` until the first event of its ticket or delivery.
    #[diesel(embed, skip_insertion)]
    pub progress: Option<Progress>,
}

impl Order {
    /// What the customer pays, fees included.
    #[must_use]
    pub fn total(&self) -> Money {
        Money::new(self.total, self.currency)
    }

    /// What the customer gets back if `share` percent of the total is refunded, rounded down.
    #[must_use]
    pub fn refund_of(&self, share: i16) -> Money {
        Money::new(self.total * i64::from(share) / 100, self.currency)
    }

    /// The version of its progress; 0 while there is none.
    #[must_use]
    pub fn progress_version(&self) -> Version {
        self.progress.as_ref().map(|progress| progress.version).unwrap_or_default()
    }

    /// The order as it is published.
    #[must_use]
    pub fn snapshot(&self) -> OrderSnapshot {
        OrderSnapshot {
            id: self.id,
            version: self.version,
            state: self.state,
            customer_id: self.customer_id,
            merchant_id: self.merchant_id,
            merchant_name: self.merchant_name.clone(),
            zone_id: self.zone_id.clone(),
            lines: self.lines.0.clone(),
            total: self.total(),
            pickup: self.pickup,
            dropoff: self.dropoff,
            ready_at: self.ready_at,
            promise_at: self.promise_at,
            pin_hash: self.pin_hash.clone(),
            reason: self.reason.clone(),
            placed_at: self.placed_at,
        }
    }
}

/// Writes a new order and its event; not its payment.
///
/// # Errors
/// [`Refusal::Illegal`] when its quote or its external id has an order already.
pub async fn insert(conn: &mut Conn, cause: &Cause, order: &Order) -> Result<(), Refusal> {
    diesel::insert_into(orders::table)
        .values((
            order,
            orders::pickup_lat.eq(order.pickup.lat()),
            orders::pickup_lng.eq(order.pickup.lng()),
            orders::dropoff_lat.eq(order.dropoff.lat()),
            orders::dropoff_lng.eq(order.dropoff.lng()),
        ))
        .prepared()
        .execute(conn)
        .await
        .map_err(already_used)?;
    events::append(conn, cause, "placed", None, &order.snapshot()).await
}

/// The name of the violated constraint says what has an order already.
fn already_used(e: DieselError) -> Refusal {
    let DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, info) = &e else { return e.into() };
    let (code, detail) = match info.constraint_name() {
        Some("orders_external_id") => ("external_id_used", "there is an order with this external_id already"),
        _ => ("quote_used", "this quote has become an order already"),
    };
    Refusal::Illegal { code, detail: detail.to_owned(), state: "used".to_owned(), allowed: Vec::new() }
}

/// Writes the next version of an order, and its event. Of `after`, the state, the ready time, the reason and who pays are
/// written.
///
/// # Errors
/// [`Refusal::Conflict`] when a concurrent update won.
pub async fn update(conn: &mut Conn, cause: &Cause, before: &Order, after: Order) -> Result<Order, Refusal> {
    let after = Order { version: before.version.next(), ..after };
    let updated = diesel::update(orders::table.find(before.id).filter(orders::version.eq(before.version)))
        .set((
            orders::version.eq(after.version),
            orders::state.eq(after.state),
            orders::ready_at.eq(after.ready_at),
            orders::reason.eq(&after.reason),
            orders::refund_share.eq(after.refund_share),
            orders::who_pays.eq(&after.who_pays),
        ))
        .prepared()
        .execute(conn)
        .await?;
    if updated == 0 {
        return Err(Refusal::Conflict);
    }
    events::append(conn, cause, after.state.as_str(), None, &after.snapshot()).await?;
    Ok(after)
}

/// Who asks for an order. An order that they may not see is reported as not found.
#[derive(Debug, Clone, Copy)]
pub enum VisibleTo {
    /// The customer who placed it.
    Customer(CustomerId),
    /// The shop it was placed at.
    Merchant(MerchantId),
    /// Operations, timers and event handlers, which see every order.
    Anyone,
}

/// Orders with their payment and progress, in one statement.
#[auto_type(no_type_alias)]
fn complete_orders() -> _ {
    let order: AsSelect<Order, Pg> = Order::as_select();
    orders::table.inner_join(payments::table).left_join(progress::table).select(order)
}

/// One order.
///
/// # Errors
/// [`Refusal::NotFound`] when there is none that the caller may see.
pub async fn load(conn: &mut Conn, id: OrderId, visible_to: VisibleTo) -> Result<Order, Refusal> {
    let order: Option<Order> = complete_orders().filter(orders::id.eq(id)).first(conn).await.optional()?;
    order
        .filter(|order| match visible_to {
            VisibleTo::Customer(customer) => order.customer_id == customer,
            VisibleTo::Merchant(merchant) => order.merchant_id == merchant,
            VisibleTo::Anyone => true,
        })
        .ok_or(Refusal::NotFound("order"))
}

/// Several orders, sorted by id; unknown ids are left out.
pub async fn load_many(conn: &mut Conn, ids: &[OrderId]) -> Result<Vec<Order>, Refusal> {
    Ok(complete_orders().filter(orders::id.eq_any(ids)).order(orders::id).load(conn).await?)
}

/// The state of an order, with its row locked until the transaction ends.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn lock_state(conn: &mut Conn, id: OrderId) -> Result<OrderState, Refusal> {
    let state = orders::table.find(id).select(orders::state).for_no_key_update().first(conn).await.optional()?;
    state.ok_or(Refusal::NotFound("order"))
}

/// Which orders a list has.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those of this customer.
    pub customer: Option<CustomerId>,
    /// Only those in this state.
    pub state: Option<OrderState>,
    /// Only those that have not ended.
    pub open: bool,
}

/// At most `limit` orders, newest first; only those older than `before`, if given.
pub async fn list(conn: &mut Conn, filter: Filter, before: Option<OrderId>, limit: i64) -> Result<Vec<Order>, Refusal> {
    let mut query = complete_orders().order(orders::id.desc()).limit(limit).into_boxed();
    if let Some(customer) = filter.customer {
        query = query.filter(orders::customer_id.eq(customer));
    }
    if let Some(state) = filter.state {
        query = query.filter(orders::state.eq(state));
        // Implied by the state, and what the partial indexes are over.
        if has_ended_early(state) {
            query = query.filter(orders::has_ended_early);
        } else if !OrderLifecycle::is_terminal(state) {
            query = query.filter(orders::is_open);
        }
    }
    if filter.open {
        query = query.filter(orders::is_open);
    }
    if let Some(before) = before {
        query = query.filter(orders::id.lt(before));
    }
    Ok(query.load(conn).await?)
}
