//! The PIN that the customer tells the rider at the door.

use pannier_contracts::OrderId;
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};

/// A new PIN: four decimal digits.
#[must_use]
pub fn generate() -> String {
    format!("{:04}", rand::rng().random_range(0..10_000))
}

/// SHA-256, hex, of `{order id}:{pin}`: what dispatch-svc compares a rider's PIN with.
///
/// Four digits are quickly guessed from it: services may know it, riders may not.
#[must_use]
pub fn hash(order: OrderId, pin: &str) -> String {
    Sha256::digest(format!("{order}:{pin}")).iter().map(|b| format!("{b:02x}")).collect()
}
