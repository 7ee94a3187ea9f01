//! The command line: starts private servers and the services, keeps them running, and asks the running platform.
//!
//! * [`servers`] finds, fetches and starts PostgreSQL, Redis and RabbitMQ.
//! * [`supervisor`] keeps processes running; [`process`] is what the operating system knows about them.
//! * [`data_dir`] is everything on disk.

pub mod commands;
pub mod data_dir;
pub mod process;
pub mod servers;
pub mod supervisor;
pub mod ui;
