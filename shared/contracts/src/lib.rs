//! The types that Pannier's services share: ids, money, places, lifecycle states, the snapshots in events, and the table
//! of exchanges and queues.
//!
//! This crate has no runtime, database, broker or clock in its dependency tree; `tests/tests/it/architecture.rs` checks it.
//! The feature `diesel` adds column types for the crates that have a database.

#[macro_use]
mod text_enum;

pub mod area;
pub mod catch_up;
pub mod delivery;
pub mod event;
pub mod ids;
pub mod lifecycle;
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
pub use lifecycle::LifecycleTable;
pub use money::{Currency, Money};
pub use place::Place;
pub use role::Role;
pub use text_enum::UnknownWord;
pub use version::Version;
pub use zone::ZoneId;
