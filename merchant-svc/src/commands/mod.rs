//! What can be done to shops and tickets: one file, one transaction.

pub mod advance;
pub mod follow_order;
pub mod mark_ready;
pub mod open_ticket;
pub mod shop;
