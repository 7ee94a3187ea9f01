//! Typed, prefixed, sortable ids: `ord_` and the 32 hex digits of a UUID v7.
//!
//! The prefix tells the kind of an id in logs and URLs; the type keeps a call from taking the wrong one.

use uuid::Uuid;

/// Text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an id of the form {prefix}_ and 32 hex digits")]
pub struct InvalidId {
    /// The expected prefix, without the underscore.
    pub prefix: &'static str,
    /// The text.
    pub text: String,
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The prefix, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id. Ids sort by the millisecond in which they were generated.
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

id!(/** Of an order. */ OrderId, "ord");
id!(/** Of a quote: a priced basket. */ QuoteId, "qot");
id!(/** Of a payment. */ PaymentId, "pay");
id!(/** Of a ticket: the kitchen's side of an order. */ TicketId, "tkt");
id!(/** Of a delivery: the rider's side of an order. */ DeliveryId, "dlv");
id!(/** Of an offer of a delivery to a rider. */ OfferId, "ofr");
id!(/** Of a round: one stored decision of the dispatcher about one delivery. */ RoundId, "rnd");
id!(/** Of a customer. */ CustomerId, "cus");
id!(/** Of a merchant, a shop. */ MerchantId, "mer");
id!(/** Of a rider. */ RiderId, "rdr");
id!(/** Of an event. */ EventId, "evt");

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
