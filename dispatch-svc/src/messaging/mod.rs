//! News from others: one file per source aggregate.

pub mod on_order;
