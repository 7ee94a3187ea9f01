//! What all services share: transactions, the event log, relay, consumers, timers, leases, retention, and the conventions
//! of their HTTP APIs.
//!
//! Nothing here knows an order, a ticket or a delivery. A service has its tables, handlers and rules; this crate has the ways
//! in which they are stored, published, consumed and served.

pub mod alarms;
pub mod audit;
pub mod auth;
pub mod broker;
pub mod cause;
pub mod config;
pub mod consumer;
pub mod db;
pub mod dead_letters;
pub mod event_log;
pub mod events;
pub mod http;
pub mod idempotency;
pub mod instance;
pub mod leases;
pub mod namespace;
pub mod refusal;
pub mod relay;
pub mod retention;
mod retry;
pub mod schema;
pub mod schema_version;
pub mod service;
pub mod stop;
pub mod telemetry;
pub mod timers;
pub mod tls;

pub use cause::Cause;
pub use db::{Conn, Db, Json, Prepare};
pub use instance::Instance;
pub use namespace::Namespace;
pub use refusal::Refusal;
pub use service::Service;
pub use stop::{Stop, Tasks};
pub use telemetry::{Metrics, Telemetry};
pub use tls::{Tls, TlsSettings};
