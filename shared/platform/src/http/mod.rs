//! The conventions of all HTTP endpoints: principals, idempotent commands, problems, pages, streams.

pub mod command;
pub mod events;
pub mod feed;
pub mod health;
pub mod ops;
mod ops_alarms;
pub mod page;
pub mod principal;
pub mod problem;
pub mod server;
pub mod sse;

pub use command::Command;
pub use page::{Page, PageQuery};
pub use principal::{Customer, Merchant, Ops, Rider, Token};
pub use problem::Problem;
