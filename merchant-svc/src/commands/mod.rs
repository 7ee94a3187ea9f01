//! What changes shops and tickets: one file per command. A command runs in one transaction, which its caller opens.

pub mod apply;
pub mod follow_order;
pub mod mark_ready;
pub mod open_ticket;
pub mod shop;
