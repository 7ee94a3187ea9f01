//! Typed, prefixed, sortable identifiers: `ord_` + the 32 hex digits of a UUID v7.
//!
//! The prefix says what an id is of in a log line or a support ticket; the type keeps two ids from being swapped in a call.

use uuid::Uuid;

/// Text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an id of the form {prefix}_ and 32 hex digits")]
pub struct InvalidId {
    /// The prefix that was expected.
    pub prefix: &'static str,
    /// What was given.
    pub text: String,
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl $name {
            /// What every id of this kind starts with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id; later ids sort after earlier ones.
            #[must_use]
            pub fn generate() -> Self { Self(Uuid::now_v7()) }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|hex| hex.len() == 32)
                    .and_then(|hex| Uuid::try_parse(hex).ok())
                    .map(Self)
                    .ok_or_else(|| InvalidId { prefix: $prefix, text: text.to_owned() })
            }
        }

        impl From<Uuid> for $name { fn from(id: Uuid) -> Self { Self(id) } }
        impl From<$name> for Uuid { fn from(id: $name) -> Self { id.0 } }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(/** An order: what a customer placed at one shop. */ OrderId, "ord");
id!(/** A priced offer of a shop to a customer, valid for ten minutes. */ QuoteId, "qot");
id!(/** The money of one order. */ PaymentId, "pay");
id!(/** The kitchen's side of an order. */ TicketId, "tkt");
id!(/** The rider's side of an order. */ DeliveryId, "dlv");
id!(/** A delivery offered to one rider. */ OfferId, "ofr");
id!(/** One look of the dispatcher at one delivery. */ RoundId, "rnd");
id!(/** Somebody who orders. */ CustomerId, "cus");
id!(/** A shop. */ MerchantId, "mer");
id!(/** Somebody who carries. */ RiderId, "rdr");
id!(/** One event. */ EventId, "evt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_knows_its_kind() {
        let id = OrderId::generate();
        assert_eq!(id.to_string().parse::<OrderId>(), Ok(id));
        assert!(id.to_string().parse::<TicketId>().is_err());
        for text in [
            "",
            "ord_",
            "ord",
            "ord_xyz",
            "ord_0192f3c27b2e7d1a8f4e5a6b7c8d9e0",
            "ORD_0192f3c27b2e7d1a8f4e5a6b7c8d9e0f",
        ] {
            assert!(text.parse::<OrderId>().is_err(), "{text}");
        }
    }

    #[test]
    fn later_ids_sort_later() {
        let ids: Vec<_> = (0..100).map(|_| OrderId::generate().to_string()).collect();
        assert!(ids.is_sorted());
    }
}
