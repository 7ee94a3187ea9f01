//! The ledger: money that moved, one entry for each operation; and debts.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::{Currency, OrderId};
use pannier_platform::{Conn, Prepare as _, Refusal};

use super::payments::Payment;
use super::schema::ledger;

/// The kind of an entry for money that is owed to us: a capture was refused. Negative when it came later.
pub const RECEIVABLE: &str = "receivable";
/// The kind of an entry that gives a debt up; negative. All other kinds are operations.
pub const WRITE_OFF: &str = "write_off";

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

/// Books an amount, minor units, for the order of a payment. Nothing happens when there is an entry with this key.
pub async fn insert(
    conn: &mut Conn,
    payment: &Payment,
    kind: &str,
    amount: i64,
    operation_key: &str,
) -> Result<(), Refusal> {
    diesel::insert_into(ledger::table)
        .values((
            ledger::order_id.eq(payment.order_id),
            ledger::kind.eq(kind),
            ledger::payment_id.eq(payment.id),
            ledger::amount.eq(amount),
            ledger::currency.eq(payment.currency),
            ledger::operation_key.eq(operation_key),
        ))
        .on_conflict(ledger::operation_key)
        .do_nothing()
        .prepared()
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether somebody owes us for this order: a capture was refused, and neither came later nor was written off.
pub async fn is_owed(conn: &mut Conn, order: OrderId) -> Result<bool, Refusal> {
    let debts = ledger::table.filter(ledger::order_id.eq(order)).filter(ledger::kind.eq_any([RECEIVABLE, WRITE_OFF]));
    let amounts: Vec<i64> = debts.select(ledger::amount).load(conn).await?;
    Ok(amounts.iter().sum::<i64>() > 0)
}

/// The entries of an order, oldest first.
pub async fn of_order(conn: &mut Conn, order: OrderId) -> Result<Vec<Entry>, Refusal> {
    let entries = ledger::table.filter(ledger::order_id.eq(order)).order(ledger::at);
    Ok(entries.select(Entry::as_select()).load(conn).await?)
}
