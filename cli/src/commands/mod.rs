//! One file per command.

pub mod alarms;
pub mod audit;
pub mod bench;
pub mod bench_orders;
pub mod dev_servers;
pub mod dlq;
pub mod doctor;
pub mod down;
pub mod faults;
pub mod live_line;
pub mod migrate;
pub mod orders;
pub mod outbox;
pub mod signals;
pub mod sim;
pub mod sim_dispatch;
pub mod status;
pub mod test;
pub mod token;
pub mod trace;
pub mod up;

use clap::builder::{RangedU64ValueParser, TypedValueParser as _};

/// How many processes of each service a machine may run.
pub fn instances() -> impl clap::builder::TypedValueParser<Value = usize> {
    RangedU64ValueParser::<u8>::new().range(1..=4).map(usize::from)
}
