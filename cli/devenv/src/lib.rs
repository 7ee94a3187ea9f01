//! A platform on this machine: private servers, schemas, keys, services, and the supervisor that keeps them running.
//!
//! * [`platform`]: servers, schemas, keys, gateway and services as one thing.
//! * [`servers`] finds, fetches and starts PostgreSQL, Redis and RabbitMQ.
//! * [`supervisor`] keeps processes running; [`process`] is what the operating system knows about them.
//! * [`balancer`] is the one address of a service that runs several times.
//! * [`data_dir`] is everything on disk; [`ui`] is what the user sees meanwhile.
//!
//! It knows no command and no bot.

pub mod balancer;
pub mod data_dir;
pub mod platform;
pub mod process;
pub mod servers;
pub mod supervisor;
pub mod ui;
