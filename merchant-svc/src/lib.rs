//! merchant-svc: shops, their menus, and tickets, the kitchen's side of orders.
//!
//! It owns schema `merchant`: shops, menu items, tickets. A ticket opens when its order is paid. It follows the order until
//! pickup and the delivery from then on. Events published: `merchant.*` (the whole shop with its menu) and `ticket.*`.
//! Events consumed: of orders and deliveries. Before a shop accepts, rejects or cancels, order-svc is asked and decides;
//! that the food is ready is published without asking.
//!
//! It does not decide an order's state, does not price, does not read another service's tables, and has no transaction
//! open while it waits for another service.

pub mod app;
pub mod commands;
pub mod domain;
pub mod http;
pub mod messaging;
pub mod order_service;
pub mod store;
