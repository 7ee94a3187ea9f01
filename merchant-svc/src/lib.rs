//! merchant-svc: shops, their menus, and the kitchen's side of every order.
//!
//! Owns schema `merchant`: shops, menu items, tickets. A ticket opens when its order is paid and follows it: the order
//! decides until pickup, the delivery from then on. News out: `merchant.*` (the whole shop with its menu), `ticket.*`.
//! News in: orders, deliveries. What a shop promises (accept, reject, cancel) is asked for at order-svc first; what is
//! a fact (ready) is told by an event.
//!
//! It never decides an order's state, never prices, never reads another service's tables, and never waits for another
//! service while it writes.

pub mod app;
pub mod commands;
pub mod domain;
pub mod http;
pub mod messaging;
pub mod order_service;
pub mod store;
