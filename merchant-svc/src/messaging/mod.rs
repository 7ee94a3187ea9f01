//! Handlers of other services' events, one file per source aggregate.

pub mod on_delivery;
pub mod on_order;
