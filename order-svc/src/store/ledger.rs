//! The ledger: money that moved, one entry for each order and kind.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::{Currency, OrderId};
use pannier_platform::{Conn, Prepare as _, Refusal};

use super::payments::Payment;
use super::schema::ledger;

/// The kind of an entry for money that is owed to us: a capture was refused for good. All other kinds are operations.
pub const RECEIVABLE: &str = "receivable";

/// An entry.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = ledger)]
#[allow(missing_docs, reason = "columns; the migration documents them")]
pub struct Entry {
    pub kind: String,
    pub amount: i64,
    pub currency: Currency,
    pub operation_key: String,
    pub at: DateTime<Utc>,
}

/// Books the amount of a payment. Nothing happens when the order has an entry of this kind.
pub async fn insert(conn: &mut Conn, payment: &Payment, kind: &str, operation_key: &str) -> Result<(), Refusal> {
    diesel::insert_into(ledger::table)
        .values((
            ledger::order_id.eq(payment.order_id),
            ledger::kind.eq(kind),
            ledger::payment_id.eq(payment.id),
            ledger::amount.eq(payment.amount),
            ledger::currency.eq(payment.currency),
            ledger::operation_key.eq(operation_key),
        ))
        .on_conflict((ledger::order_id, ledger::kind))
        .do_nothing()
        .prepared()
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether there is an entry of this operation.
pub async fn contains(conn: &mut Conn, operation_key: &str) -> Result<bool, Refusal> {
    let entry = ledger::table.filter(ledger::operation_key.eq(operation_key));
    Ok(diesel::select(diesel::dsl::exists(entry)).get_result(conn).await?)
}

/// The entries of an order, oldest first.
pub async fn of_order(conn: &mut Conn, order: OrderId) -> Result<Vec<Entry>, Refusal> {
    let entries = ledger::table.filter(ledger::order_id.eq(order)).order(ledger::at);
    Ok(entries.select(Entry::as_select()).load(conn).await?)
}
