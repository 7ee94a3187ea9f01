//! The command line: starts private servers and the services, keeps them running, and asks the running platform.
//!
//! * [`commands`]: one file per command.
//! * [`platform`]: servers, schemas, keys, gateway and services as one thing.
//! * [`servers`] finds, fetches and starts PostgreSQL, Redis and RabbitMQ.
//! * [`supervisor`] keeps processes running; [`process`] is what the operating system knows about them.
//! * [`balancer`] is the one address of a service that runs several times.
//! * [`client`] asks the operations APIs; [`data_dir`] is everything on disk.

pub mod balancer;
pub mod client;
pub mod commands;
pub mod data_dir;
pub mod failure;
pub mod platform;
pub mod process;
pub mod servers;
pub mod supervisor;
pub mod table;
pub mod ui;
