//! The command line: arguments, output, and the commands of operations.
//!
//! * [`commands`]: one file per command.
//! * [`target`] says which platform is meant; [`client`] asks its operations APIs.
//! * [`table`] and [`failure`]: what is printed, and the exit status.
//!
//! What runs on this machine is started by `pannier-devenv`.

pub mod client;
pub mod commands;
pub mod failure;
pub mod table;
pub mod target;
