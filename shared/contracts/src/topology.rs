//! The table of exchanges, queues and the events that each queue gets.
//!
//! Every service declares all of it before it publishes. An event that no row names is logged and not published, because
//! the broker would return a mandatory message without a queue every time.
//!
//! A queue gets only events that can change something in its service; a test in each service compares its tables of states
//! with this one.

/// One subscription: events of `aggregate` on `exchange` go into `queue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The exchange of the publishing service (topic, durable).
    pub exchange: &'static str,
    /// The aggregate of the events.
    pub aggregate: &'static str,
    /// The queue: `consumer.aggregate`, one quorum queue for each consuming service and aggregate.
    pub queue: &'static str,
    /// The words of the events that the queue gets (`paid` of `order.paid.v1`); `None` for all events of the aggregate.
    pub events: Option<&'static [&'static str]>,
}

impl Route {
    /// The binding keys between exchange and queue.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        match self.events {
            None => vec![format!("{}.#", self.aggregate)],
            Some(events) => events.iter().map(|event| format!("{}.{event}.*", self.aggregate)).collect(),
        }
    }

    /// SQL LIKE patterns of the event types that the queue gets.
    #[must_use]
    pub fn patterns(&self) -> Vec<String> {
        match self.events {
            None => vec![format!("{}.%", self.aggregate)],
            Some(events) => events.iter().map(|event| format!("{}.{event}.%", self.aggregate)).collect(),
        }
    }

    /// Whether the queue gets events of this type, such as `order.accepted.v1`.
    #[must_use]
    pub fn takes(&self, kind: &str) -> bool {
        let mut words = kind.split('.');
        words.next() == Some(self.aggregate)
            && self.events.is_none_or(|events| words.next().is_some_and(|event| events.contains(&event)))
    }
}

/// All subscriptions.
pub const ROUTES: &[Route] = &[
    Route {
        exchange: "order",
        aggregate: "order",
        queue: "merchant.order",
        // Not `placed` (no ticket before payment), `ready` (follows the ticket), `delivered` (follows `delivering`).
        events: Some(&["paid", "accepted", "delivering", "rejected", "expired", "cancelled", "failed"]),
    },
    Route {
        exchange: "order",
        aggregate: "order",
        queue: "dispatch.order",
        // An order that ends before acceptance has no delivery.
        events: Some(&["accepted", "ready", "cancelled", "failed"]),
    },
    Route { exchange: "merchant", aggregate: "ticket", queue: "order.ticket", events: None },
    Route { exchange: "merchant", aggregate: "merchant", queue: "order.merchant", events: None },
    Route { exchange: "dispatch", aggregate: "delivery", queue: "order.delivery", events: None },
    Route {
        exchange: "dispatch",
        aggregate: "delivery",
        queue: "merchant.delivery",
        // All later states come after `picked_up`, which hands the ticket over.
        events: Some(&["picked_up"]),
    },
    Route { exchange: "dispatch", aggregate: "zone", queue: "order.zone", events: None },
];

/// Aggregates that never reach a final state. Their newest event is kept and applied however old it is; events of all other
/// aggregates are deleted some time after their end.
pub const STANDING: [&str; 3] = ["merchant", "rider", "zone"];

/// The delays between retries of a message, seconds. Each has a queue of its own: in one queue, a long delay at its head
/// would hold up the shorter ones behind it.
pub const RETRY_LADDER_S: &[u32] = &[5, 30, 300];

/// Whether any queue gets events of this type, such as `order.accepted.v1`.
#[must_use]
pub fn is_subscribed(kind: &str) -> bool {
    ROUTES.iter().any(|route| route.takes(kind))
}

/// SQL LIKE patterns of the event types that any queue gets.
#[must_use]
pub fn subscribed_patterns() -> Vec<String> {
    ROUTES.iter().flat_map(Route::patterns).collect()
}

/// The queue in which a message waits `delay_s` seconds for its next try.
#[must_use]
pub fn retry_queue(queue: &str, delay_s: u32) -> String {
    format!("{queue}.retry.{delay_s}s")
}

/// The queue of messages whose retries all failed.
#[must_use]
pub fn dead_queue(queue: &str) -> String {
    format!("{queue}.dead")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_gets_what_its_row_says() {
        let merchant = ROUTES[0];
        assert!(
            merchant.takes("order.paid.v1") && !merchant.takes("order.placed.v1") && !merchant.takes("payment.paid.v1")
        );
        assert_eq!(merchant.keys()[0], "order.paid.*");
        assert!(
            is_subscribed("ticket.opened.v1") && !is_subscribed("order.placed.v1") && !is_subscribed("offer.sent.v1")
        );
    }
}
