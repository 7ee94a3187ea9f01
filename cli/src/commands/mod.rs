//! One file per command.

pub mod bench;
pub mod bench_orders;
pub mod dev_servers;
pub mod dlq;
pub mod down;
pub mod live_line;
pub mod orders;
pub mod outbox;
pub mod signals;
pub mod sim;
pub mod sim_dispatch;
pub mod status;
pub mod test;
pub mod token;
pub mod up;
