//! The PIN with which a customer proves at the door that the food is theirs.

use pannier_contracts::OrderId;
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};

/// Four digits.
#[must_use]
pub fn generate() -> String {
    format!("{:04}", rand::rng().random_range(0..10_000))
}

/// What others may know of it: SHA-256, hex, of `{order id}:{pin}`.
///
/// Four digits can be guessed by whoever has the hash, so it goes to services, never to riders.
#[must_use]
pub fn hash(order: OrderId, pin: &str) -> String {
    Sha256::digest(format!("{order}:{pin}")).iter().map(|b| format!("{b:02x}")).collect()
}
