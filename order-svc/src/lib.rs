//! order-svc: what customers place, and its money.
//!
//! Owns schema `orders`: quotes, orders, payments, the ledger, and copies of shops and zones. Until pickup its order row
//! decides what an order is; from pickup on it follows the delivery. News out: `order.*`, `payment.*` (logged only).
//! News in: tickets, shops, deliveries, zones. Asked by merchant-svc to accept, reject and cancel.
//!
//! It never reads another service's tables, never waits for another service while it writes, and never moves money
//! outside the reconciler in `payments/`.

pub mod app;
pub mod commands;
pub mod domain;
pub mod http;
pub mod messaging;
pub mod payments;
pub mod store;
pub mod tasks;
