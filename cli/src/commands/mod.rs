//! One file per command.

pub mod dev_servers;
pub mod signals;
