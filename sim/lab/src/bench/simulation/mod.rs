//! Simulation of a day on a virtual clock, minute by minute, with the engine deciding.
//!
//! The simulation knows the whole day and shows the engine only what is known at each minute. It executes the plans
//! under the rules of the library: a move is never interrupted, food is picked up when it is ready, and a courier waits
//! where the last move ended.

mod disrupt;
pub mod disruptions;
mod driver;
mod execute;
mod forecast;
mod ids;
mod snapshot;
mod state;
mod tour;

pub(super) use driver::{MinutePlan, simulate_observed};
pub use driver::{simulate, simulate_with};
pub(super) use ids::{delivery_id, index_of};
