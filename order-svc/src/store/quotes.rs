//! Quotes.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::{CustomerId, MerchantId, QuoteId};
use pannier_platform::retention::{After, Forgotten};
use pannier_platform::{Conn, Prepare as _, Refusal};
use uuid::Uuid;

use super::schema::quotes;

diesel::define_sql_function! {
    /// The database's clock: the one that judges expiry.
    fn clock_timestamp() -> diesel::sql_types::Timestamptz;
}

/// A priced offer of a shop to a customer.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = quotes)]
#[allow(missing_docs, reason = "columns; the migration documents them")]
pub struct Quote {
    #[diesel(deserialize_as = Uuid, serialize_as = Uuid)]
    pub id: QuoteId,
    #[diesel(deserialize_as = Uuid, serialize_as = Uuid)]
    pub customer_id: CustomerId,
    #[diesel(deserialize_as = Uuid, serialize_as = Uuid)]
    pub merchant_id: MerchantId,
    pub merchant_name: String,
    pub zone_id: String,
    pub lines: serde_json::Value,
    pub fees: serde_json::Value,
    pub currency: String,
    pub total: i64,
    pub pickup_lat: f64,
    pub pickup_lng: f64,
    pub dropoff_lat: f64,
    pub dropoff_lng: f64,
    pub promise_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// A quote can become an order for ten minutes, and is looked up again only by a repeated request: it is kept as long as answers are.
/// Ids grow with time, so the oldest are at the beginning of the table's key.
pub const FORGOTTEN: Forgotten = Forgotten {
    what: "quotes",
    after: After::Answers,
    sql: "DELETE FROM quotes WHERE id = ANY(ARRAY(
              SELECT id FROM (SELECT id, expires_at FROM quotes ORDER BY id LIMIT $1) AS oldest
              WHERE expires_at < statement_timestamp() - $2 * interval '1 s'))",
};

/// Keeps a quote.
///
/// # Errors
/// What the database says.
pub async fn insert(conn: &mut Conn, quote: Quote) -> Result<(), Refusal> {
    diesel::insert_into(quotes::table).values(quote).prepared().execute(conn).await?;
    Ok(())
}

/// A customer's own quote, and the database's now, which judges whether it is still good.
///
/// # Errors
/// `NotFound` when there is none, or it is somebody else's.
pub async fn load(conn: &mut Conn, id: QuoteId, customer: CustomerId) -> Result<(Quote, DateTime<Utc>), Refusal> {
    quotes::table
        .find(id.0)
        .filter(quotes::customer_id.eq(customer.0))
        .select((Quote::as_select(), clock_timestamp()))
        .first(conn)
        .await
        .optional()?
        .ok_or(Refusal::NotFound("quote"))
}
