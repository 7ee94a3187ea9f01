//! order-svc: orders and their money.
//!
//! Owns the schema `orders`: quotes, orders, payments, the ledger, and copies of shops and zones. Until pickup the order's
//! row decides what happens to an order; from pickup on it follows the delivery. Publishes events of orders; those of
//! payments and progress are only logged. Consumes events of tickets, shops, deliveries and zones. merchant-svc asks it to
//! accept, reject and cancel in a shop's name.
//!
//! It reads no other service's tables, waits for no other service inside a transaction, and moves money only in
//! `payments/`.

pub mod app;
pub mod commands;
pub mod domain;
pub mod http;
pub mod messaging;
pub mod payments;
pub mod store;
pub mod tasks;
