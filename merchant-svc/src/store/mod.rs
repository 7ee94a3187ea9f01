//! All SQL of merchant-svc: conditional writes, and the event with each.

pub mod merchants;
pub mod schema;
pub mod tickets;
