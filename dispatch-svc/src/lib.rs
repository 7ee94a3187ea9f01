//! dispatch-svc decides which rider carries which delivery.
//!
//! It owns the schema `dispatch` (zones, riders, deliveries, offers, and the rounds that explain decisions) and the riders'
//! positions in Redis. From pickup on its delivery decides what becomes of the order. It publishes `delivery.*` and
//! `zone.published`; `offer.*` and `rider.*` are logged only. It consumes events of orders.
//!
//! PostgreSQL is the truth about load, capacity, offers and assignments. Redis only has positions: without it dispatch is
//! less exact and loses nothing.

pub mod app;
pub mod commands;
pub mod domain;
pub mod fleet;
pub mod http;
pub mod messaging;
pub mod store;
pub mod tasks;
