//! What moves by itself: the dispatcher, timers, and the sweeper that needs neither broker nor Redis.

pub mod dispatcher;
pub mod gather;
pub mod kitchens;
pub mod outlook;
pub mod planner;
pub mod sweeper;
pub mod ticks;
pub mod timers;
