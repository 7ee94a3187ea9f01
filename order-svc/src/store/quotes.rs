//! Quotes.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::order::OrderLine;
use pannier_contracts::{Currency, CustomerId, MerchantId, Place, QuoteId, ZoneId};
use pannier_platform::db::functions::clock_timestamp;
use pannier_platform::retention::{Period, RetentionRule};
use pannier_platform::{Conn, Json, Prepare as _, Refusal};

use super::schema::quotes;
use crate::domain::pricing::Fee;

/// A quote's row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = quotes)]
#[allow(missing_docs, reason = "columns; the migration documents them")]
pub struct Quote {
    pub id: QuoteId,
    pub customer_id: CustomerId,
    pub merchant_id: MerchantId,
    pub merchant_name: String,
    pub zone_id: ZoneId,
    pub lines: Json<Vec<OrderLine>>,
    pub fees: Json<Vec<Fee>>,
    pub currency: Currency,
    pub total: i64,
    #[diesel(select_expression = (quotes::pickup_lat, quotes::pickup_lng), skip_insertion)]
    pub pickup: Place,
    #[diesel(select_expression = (quotes::dropoff_lat, quotes::dropoff_lng), skip_insertion)]
    pub dropoff: Place,
    pub promise_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Quotes are kept as long as answers: only a repeated request asks for an expired one. Raw: retention runs text. Ids grow
/// with time, so the oldest quotes are found by the primary key.
pub const RETENTION: RetentionRule = RetentionRule {
    what: "quotes",
    period: Period::Answers,
    sql: "DELETE FROM quotes WHERE id = ANY(ARRAY(
              SELECT id FROM (SELECT id, expires_at FROM quotes ORDER BY id LIMIT $1) AS oldest
              WHERE expires_at < statement_timestamp() - $2 * interval '1 s'))",
};

/// Writes a new quote.
pub async fn insert(conn: &mut Conn, quote: &Quote) -> Result<(), Refusal> {
    diesel::insert_into(quotes::table)
        .values((
            quote,
            quotes::pickup_lat.eq(quote.pickup.lat()),
            quotes::pickup_lng.eq(quote.pickup.lng()),
            quotes::dropoff_lat.eq(quote.dropoff.lat()),
            quotes::dropoff_lng.eq(quote.dropoff.lng()),
        ))
        .prepared()
        .execute(conn)
        .await?;
    Ok(())
}

/// A quote of this customer, and the database's time, by which its expiry is judged.
///
/// # Errors
/// [`Refusal::NotFound`] when this customer has no such quote.
pub async fn load(conn: &mut Conn, id: QuoteId, customer: CustomerId) -> Result<(Quote, DateTime<Utc>), Refusal> {
    quotes::table
        .find(id)
        .filter(quotes::customer_id.eq(customer))
        .select((Quote::as_select(), clock_timestamp()))
        .first(conn)
        .await
        .optional()?
        .ok_or(Refusal::NotFound("quote"))
}
