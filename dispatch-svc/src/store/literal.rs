//! States that stand in a statement's text. PostgreSQL uses a partial index only where the statement repeats the index's
//! condition: a bound parameter does not, because statements are planned once for all values (ADR 0028).

use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::sql_types::Text;
use pannier_contracts::offer::OfferState;
use pannier_contracts::rider::RiderStatus;

/// The state of an open offer: the condition of `offers_open` and `offers_open_of_rider`.
pub fn sent() -> SqlLiteral<Text> {
    literal(OfferState::Sent.as_str())
}

/// The status of a rider who is not on shift: the condition of `riders_on_shift`.
pub fn offline() -> SqlLiteral<Text> {
    literal(RiderStatus::Offline.as_str())
}

fn literal(word: &'static str) -> SqlLiteral<Text> {
    sql(&format!("'{word}'"))
}
