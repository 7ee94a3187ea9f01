//! All SQL of this service: loads, conditional writes, and the event of every change.

pub mod copies;
pub mod orders;
pub mod payments;
pub mod progress;
pub mod quotes;
pub mod schema;
pub mod zones;

/// Whether an event `p` belongs to an order that is not over, or to money that somebody still has to look at.
pub const IS_OPEN: &str = "
    EXISTS (SELECT 1 FROM orders o WHERE o.id = p.aggregate_id AND o.is_open)
    OR EXISTS (SELECT 1 FROM payments y JOIN orders o ON o.id = y.order_id WHERE (y.id = p.aggregate_id OR o.id = p.aggregate_id)
                   AND (o.is_open OR y.operation IS NOT NULL OR y.next_attempt_at IS NOT NULL))";
