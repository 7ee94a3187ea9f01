//! What can be done to orders: one file, one transaction.

pub mod apply_trigger;
pub mod cancel_order;
pub mod correct_payment;
pub mod follow;
pub mod pay_again;
pub mod place_order;
pub mod quote;
pub mod shop_decides;
