//! Proof of hand-over: the customer tells the rider a PIN of four digits. order-svc knows it; dispatch-svc keeps its hash.

use pannier_contracts::OrderId;
use sha2::{Digest as _, Sha256};

/// SHA-256 of `ord_…:PIN`, hexadecimal.
#[must_use]
pub fn hash(order: OrderId, pin: &str) -> String {
    Sha256::digest(format!("{order}:{pin}").as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_the_order_and_the_pin() {
        let order: OrderId = "ord_0192f3c27b2e7d1a8f4e5a6b7c8d9e0f".parse().unwrap();
        let hashed = hash(order, "4711");
        assert_eq!(hashed.len(), 64);
        assert_eq!(hashed, hash(order, "4711"));
        assert_ne!(hashed, hash(order, "4712"));
        assert_ne!(hashed, hash(OrderId::generate(), "4711"));
    }
}
