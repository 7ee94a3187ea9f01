//! What moves by itself: the dispatcher, timers, and the sweeper that needs neither broker nor Redis.

pub mod gather;
pub mod matcher;
pub mod sweeper;
pub mod timers;
