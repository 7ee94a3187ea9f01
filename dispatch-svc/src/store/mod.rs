//! All SQL. Writes are conditional: a change names the version that it was decided on.

pub mod deliveries;
pub mod json;
pub mod offers;
pub mod riders;
pub mod rounds;
pub mod schema;
pub mod zones;

pub use deliveries::Delivery;
pub use offers::Offer;
pub use riders::Rider;
pub use zones::Zone;
