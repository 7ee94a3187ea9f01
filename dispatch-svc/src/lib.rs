//! dispatch-svc: who carries what.
//!
//! Owns schema `dispatch`: zones, riders, deliveries, offers, and the rounds that explain them; and the fleet's positions
//! in Redis. From pickup on its delivery row decides what becomes of an order. News out: `delivery.*`, `zone.published`;
//! `offer.*` and `rider.*` are logged only. News in: orders.
//!
//! PostgreSQL is the truth about load, capacity, offers and assignments. Redis only knows where riders are: losing it makes
//! dispatch slower and loses nothing. It never reads another service's tables, never waits for another machine inside a
//! transaction, and never takes an empty answer from Redis for "there are no riders".

pub mod app;
pub mod commands;
pub mod domain;
pub mod fleet;
pub mod http;
pub mod messaging;
pub mod store;
pub mod tasks;
