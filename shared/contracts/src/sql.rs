//! Columns: ids are stored as `uuid`, states as `text`, versions as `bigint`, a place as `jsonb` or as two columns.
//!
//! So a row is a struct of these types that derives `Queryable`, `Selectable`, `Insertable` and `AsChangeset`. A value in
//! the database that does not fit its type is an error when it is read.

use diesel::deserialize::{self, FromSql, FromSqlRow, Queryable};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Double, Jsonb, Uuid as SqlUuid};
use uuid::Uuid;

use crate::delivery::DeliveryState;
use crate::merchant::MerchantStatus;
use crate::offer::OfferState;
use crate::order::OrderState;
use crate::payment::PaymentState;
use crate::rider::RiderStatus;
use crate::ticket::TicketState;
use crate::{
    Currency, CustomerId, DeliveryId, EventId, MerchantId, OfferId, OrderId, PaymentId, Place, QuoteId, RiderId,
    RoundId, TicketId, Version, ZoneId,
};

/// Stores types with `as_str` and `FromStr` as `text`. Services use it for enums of their own.
#[macro_export]
macro_rules! stored_as_text {
    ($($name:ident),+ $(,)?) => {$(
        const _: () = {
            use diesel::deserialize::{self, FromSql, FromSqlRow};
            use diesel::expression::AsExpression;
            use diesel::pg::{Pg, PgValue};
            use diesel::serialize::{self, Output, ToSql};
            use diesel::sql_types::Text;

            #[derive(AsExpression, FromSqlRow)]
            #[diesel(foreign_derive, sql_type = Text)]
            #[allow(dead_code, reason = "the derives are of its field's type")]
            struct Proxy($name);

            impl FromSql<Text, Pg> for $name {
                fn from_sql(bytes: PgValue<'_>) -> deserialize::Result<Self> {
                    Ok(std::str::from_utf8(bytes.as_bytes())?.parse()?)
                }
            }

            impl ToSql<Text, Pg> for $name {
                fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                    <str as ToSql<Text, Pg>>::to_sql(self.as_str(), out)
                }
            }
        };
    )+};
}

stored_as_text!(
    Currency,
    DeliveryState,
    MerchantStatus,
    OfferState,
    OrderState,
    PaymentState,
    RiderStatus,
    TicketState,
    ZoneId,
);

/// Stores a type with one public field as that field.
macro_rules! stored_as_its_field {
    ($($name:ident: $raw:ty => $sql:ty),+ $(,)?) => {$(
        const _: () = {
            #[derive(AsExpression, FromSqlRow)]
            #[diesel(foreign_derive, sql_type = $sql)]
            #[allow(dead_code, reason = "the derives are of its field's type")]
            struct Proxy($name);

            impl FromSql<$sql, Pg> for $name {
                fn from_sql(bytes: PgValue<'_>) -> deserialize::Result<Self> {
                    <$raw as FromSql<$sql, Pg>>::from_sql(bytes).map(Self)
                }
            }

            impl ToSql<$sql, Pg> for $name {
                fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                    <$raw as ToSql<$sql, Pg>>::to_sql(&self.0, out)
                }
            }
        };
    )+};
}

stored_as_its_field!(
    CustomerId: Uuid => SqlUuid,
    DeliveryId: Uuid => SqlUuid,
    EventId: Uuid => SqlUuid,
    MerchantId: Uuid => SqlUuid,
    OfferId: Uuid => SqlUuid,
    OrderId: Uuid => SqlUuid,
    PaymentId: Uuid => SqlUuid,
    QuoteId: Uuid => SqlUuid,
    RiderId: Uuid => SqlUuid,
    RoundId: Uuid => SqlUuid,
    TicketId: Uuid => SqlUuid,
    Version: i64 => BigInt,
);

/// A place in one `jsonb` column.
#[derive(AsExpression, FromSqlRow)]
#[diesel(foreign_derive, sql_type = Jsonb)]
#[allow(dead_code, reason = "the derives are of its field's type")]
struct PlaceProxy(Place);

impl FromSql<Jsonb, Pg> for Place {
    fn from_sql(bytes: PgValue<'_>) -> deserialize::Result<Self> {
        let json = <serde_json::Value as FromSql<Jsonb, Pg>>::from_sql(bytes)?;
        Ok(serde_json::from_value(json)?)
    }
}

impl ToSql<Jsonb, Pg> for Place {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let json = serde_json::to_value(self)?;
        <serde_json::Value as ToSql<Jsonb, Pg>>::to_sql(&json, &mut out.reborrow())
    }
}

/// A place in two columns, latitude first: `#[diesel(select_expression = (orders::pickup_lat, orders::pickup_lng))]`.
impl Queryable<(Double, Double), Pg> for Place {
    type Row = (f64, f64);
    fn build((lat, lng): Self::Row) -> deserialize::Result<Self> {
        Ok(Self::new(lat, lng)?)
    }
}
