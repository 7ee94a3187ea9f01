//! Consumers of events of other services: one file per aggregate.

pub mod on_order;
