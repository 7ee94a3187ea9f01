//! All SQL of merchant-svc: conditional writes, and the event with each.

pub mod merchants;
pub mod schema;
pub mod tickets;

/// Whether an event `p` belongs to a ticket that is not over.
pub const IS_OPEN: &str = "EXISTS (SELECT 1 FROM tickets t WHERE t.id = p.aggregate_id AND t.is_open)";
