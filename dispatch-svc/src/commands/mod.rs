//! Everything that changes something: one file per command, one transaction per call. Locks are taken in one order, so that
//! transactions never wait for each other in a circle: deliveries by id, then their offers, then riders by id.
//!
//! Errors: every command returns [`Refusal::Away`] while the database cannot be reached, and [`Refusal::Conflict`] when a
//! concurrent update won: the caller starts again. `# Errors` sections name only what comes on top of that.
//!
//! [`Refusal::Away`]: pannier_platform::Refusal::Away
//! [`Refusal::Conflict`]: pannier_platform::Refusal::Conflict

pub mod accept_offer;
pub mod apply_trigger;
pub mod assign;
pub mod close_offers;
pub mod follow_order;
pub mod off_duty;
pub mod put_profile;
pub mod put_zone;
pub mod reassign;
mod refusals;
pub mod report_progress;
pub mod send_offers;
pub mod settle;
pub mod shift;
pub mod silent_riders;
