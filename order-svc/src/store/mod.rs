//! All SQL of this service: loads, conditional writes, and the event of every change.
//!
//! Everything runs in the transaction of its caller. A function without an `# Errors` section fails only as the database
//! does: [`Refusal::Away`] while it cannot be reached, [`Refusal::Conflict`] after a deadlock, otherwise [`Refusal::Bug`].
//!
//! [`Refusal::Away`]: pannier_platform::Refusal::Away
//! [`Refusal::Bug`]: pannier_platform::Refusal::Bug
//! [`Refusal::Conflict`]: pannier_platform::Refusal::Conflict

pub mod gauges;
pub mod ledger;
pub mod merchants;
pub mod orders;
pub mod payments;
pub mod progress;
pub mod quotes;
pub mod schema;
pub mod sweep;
pub mod zones;

pub use orders::Order;
pub use payments::Payment;

/// The newest migration in `migrations/order`; a test compares.
pub const MIGRATION: &str = "20261128100001";

/// SQL that says whether an event `p` belongs to an order that has not ended, or to a payment that is not settled. Raw:
/// retention puts it into a statement of its own.
pub const IS_OPEN: &str = "
    EXISTS (SELECT 1 FROM orders o WHERE o.id = p.aggregate_id AND o.is_open)
    OR EXISTS (SELECT 1 FROM payments y JOIN orders o ON o.id = y.order_id WHERE (y.id = p.aggregate_id OR o.id = p.aggregate_id)
                   AND (o.is_open OR y.next_attempt_at IS NOT NULL))";
