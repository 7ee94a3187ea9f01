//! What happens without being asked: timers, and the sweeper behind them.

pub mod sweeper;
pub mod timers;
