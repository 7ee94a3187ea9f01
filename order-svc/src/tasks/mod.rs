//! What happens without a request: timers, and the sweeper, which finds what has lost its timer.

pub mod order_meter;
pub mod sweeper;
pub mod timers;
