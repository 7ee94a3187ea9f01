//! What can be done to an order: one file, one transaction.

pub mod advance;
pub mod cancel_order;
pub mod pay_again;
pub mod place_order;
pub mod quote;
pub mod shop_decides;
