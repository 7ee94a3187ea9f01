//! All SQL of dispatch-svc. A write names the version that it was decided on, and is refused when that has changed.
//!
//! Errors: every function returns [`Refusal::Away`] while the database cannot be reached and [`Refusal::Bug`] when it
//! rejects the statement. `# Errors` sections name only what comes on top of that.
//!
//! [`Refusal::Away`]: pannier_platform::Refusal::Away
//! [`Refusal::Bug`]: pannier_platform::Refusal::Bug

pub mod deliveries;
pub mod gauges;
mod literal;
pub mod offers;
pub mod riders;
pub mod rounds;
pub mod schema;
pub mod zones;

pub use deliveries::Delivery;
pub use offers::Offer;
pub use riders::Rider;

/// The newest migration in `migrations/dispatch`; a test compares.
pub const MIGRATION: &str = "20261126210001";

/// Does an event `p` belong to an open delivery, or to an offer of one? Raw SQL, because retention inserts it into a
/// statement that is the same for all services.
pub const IS_OPEN: &str = "
    EXISTS (SELECT 1 FROM deliveries d WHERE d.id = p.aggregate_id AND d.is_open)
    OR EXISTS (SELECT 1 FROM offers f JOIN deliveries d ON d.id = f.delivery_id WHERE f.id = p.aggregate_id AND d.is_open)";
