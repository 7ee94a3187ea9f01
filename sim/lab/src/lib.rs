//! Offline evaluation of dispatch policies: the engine works whole days on a virtual clock, without a platform.
//!
//! [`mod@bench`] simulates recorded days, checks, measures and reports the results. [`synthetic`] generates days of a
//! synthetic city with disruptions and compares policies on them. A run is a function of its inputs and a seed: nothing
//! here waits, opens a socket or reads a table.

pub mod bench;
pub mod statistics;
pub mod synthetic;
