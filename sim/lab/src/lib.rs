//! The laboratory: the engine drives days on a virtual clock, without a platform.
//!
//! [`bench`] works recorded days and checks, measures and reports the result; [`made_up`] draws days of a made-up city and
//! compares policies on them. Nothing here waits, opens a socket or reads a table: a run is its inputs and a seed.

pub mod bench;
pub mod made_up;
