//! Load on a platform, and what it costs: orders arrive in an open loop through the public APIs, and bots answer at once.
//!
//! Unlike the bots of a replay, these do not drive, cook or wait: a shop accepts a ticket as soon as its stream shows it
//! and marks it ready with the next call; a rider accepts an offer and confirms all steps up to the handover. What remains
//! is the cost of the platform. The clients ([`http`]) run in this process, so that their CPU time is counted apart.
//!
//! A **load step** ([`step`]) is one offered rate for some seconds. All measurements are taken outside the services: from
//! `/proc`, PostgreSQL's statistics and `events` tables, and the counters of Redis and the broker.

pub mod applied;
pub mod arrivals;
pub mod bare;
pub mod bench;
pub mod bots;
pub mod city;
pub mod cpu;
pub mod growth;
pub mod http;
pub mod ladder;
pub mod meters;
pub mod placing;
pub mod positions;
pub mod redis;
pub mod report;
pub mod staff;
pub mod stats;
pub mod step;
pub mod streams;
mod system;

pub use self::system::{DeliveredMessages, ProgressLog, SystemUnderTest};
