//! All SQL. Writes are conditional: a change names the version that it was decided on.

pub mod deliveries;
mod literal;
pub mod offers;
pub mod riders;
pub mod rounds;
pub mod schema;
pub mod zones;

pub use deliveries::Delivery;
pub use offers::Offer;
pub use riders::Rider;

/// Raw because retention, which is the same for all services, puts it into its own statement.
///
/// Whether an event `p` belongs to a delivery that is not over, or to an offer of it.
pub const IS_OPEN: &str = "
    EXISTS (SELECT 1 FROM deliveries d WHERE d.id = p.aggregate_id AND d.is_open)
    OR EXISTS (SELECT 1 FROM offers f JOIN deliveries d ON d.id = f.delivery_id WHERE f.id = p.aggregate_id AND d.is_open)";
