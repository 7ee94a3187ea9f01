//! The words that Pannier's services share: identifiers, money, places, lifecycle states,
//! the snapshots that travel in events, and the table of exchanges and queues.
//!
//! This crate is **pure**: no runtime, no database, no broker, no clock. Its manifest keeps it so,
//! and a test in `tests/` reads the dependency tree to prove it.

#[macro_use]
mod text_enum;

pub mod area;
pub mod catch_up;
pub mod delivery;
pub mod event;
pub mod ids;
pub mod merchant;
pub mod money;
pub mod offer;
pub mod order;
pub mod payment;
pub mod place;
pub mod rider;
pub mod role;
#[cfg(feature = "diesel")]
mod sql;
pub mod ticket;
pub mod topology;
pub mod version;
pub mod zone;

pub use area::Area;
pub use catch_up::{IllegalTransition, Lifecycle, catch_up};
pub use event::Envelope;
pub use ids::{
    CustomerId, DeliveryId, EventId, MerchantId, OfferId, OrderId, PaymentId, QuoteId, RiderId, RoundId, TicketId,
};
pub use money::{Currency, Money};
pub use place::Place;
pub use role::Role;
pub use text_enum::UnknownWord;
pub use version::Version;
pub use zone::ZoneId;
