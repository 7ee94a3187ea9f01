//! Who tells whom: the one table of exchanges, events and queues.
//!
//! Every service declares all of it before it publishes. An event that no row names is logged and not published:
//! a mandatory publish of it would come back for ever.
//!
//! A queue gets only events that can change something there; a test in each consumer holds its pair tables against
//! this list.

/// One subscription: events of `aggregate`, published on `exchange`, go into `queue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The owner's exchange (topic, durable).
    pub exchange: &'static str,
    /// The source aggregate.
    pub aggregate: &'static str,
    /// `consumer.aggregate`: one quorum queue per consumer and source aggregate.
    pub queue: &'static str,
    /// The past-tense words of the events it gets; `None` for all of the aggregate.
    pub events: Option<&'static [&'static str]>,
}

impl Route {
    /// The binding keys of the queue.
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

    /// Does the queue get events of this type, such as `order.accepted.v1`?
    #[must_use]
    pub fn takes(&self, kind: &str) -> bool {
        let mut words = kind.split('.');
        words.next() == Some(self.aggregate)
            && self.events.is_none_or(|events| words.next().is_some_and(|event| events.contains(&event)))
    }
}

/// Everything that is subscribed to.
pub const ROUTES: &[Route] = &[
    Route {
        exchange: "order",
        aggregate: "order",
        queue: "merchant.order",
        // Not `placed` (nothing rings before it is paid), `ready` (the shop told us) and `delivered` (it has left).
        events: Some(&["paid", "accepted", "delivering", "rejected", "expired", "cancelled", "failed"]),
    },
    Route {
        exchange: "order",
        aggregate: "order",
        queue: "dispatch.order",
        // What ends before it is accepted never had a delivery.
        events: Some(&["accepted", "ready", "cancelled", "failed"]),
    },
    Route { exchange: "merchant", aggregate: "ticket", queue: "order.ticket", events: None },
    Route { exchange: "merchant", aggregate: "merchant", queue: "order.merchant", events: None },
    Route { exchange: "dispatch", aggregate: "delivery", queue: "order.delivery", events: None },
    Route {
        exchange: "dispatch",
        aggregate: "delivery",
        queue: "merchant.delivery",
        // Whatever leaves the shop is picked up first.
        events: Some(&["picked_up"]),
    },
    Route { exchange: "dispatch", aggregate: "zone", queue: "order.zone", events: None },
];

/// Aggregates that never end: of these the newest news always counts, however old it is. All others end, and are
/// forgotten some time afterwards.
pub const STANDING: [&str; 3] = ["merchant", "rider", "zone"];

/// The waits of the retry ladder, seconds: one queue each, because mixed waits in one queue block each other at its head.
pub const RETRY_LADDER_S: &[u32] = &[5, 30, 300];

/// Does any queue get events of this type, such as `order.accepted.v1`?
#[must_use]
pub fn is_subscribed(kind: &str) -> bool {
    ROUTES.iter().any(|route| route.takes(kind))
}

/// SQL LIKE patterns of the event types that any queue gets.
#[must_use]
pub fn subscribed_patterns() -> Vec<String> {
    ROUTES.iter().flat_map(Route::patterns).collect()
}

/// The queue where a message waits before its next try.
#[must_use]
pub fn retry_queue(queue: &str, delay_s: u32) -> String {
    format!("{queue}.retry.{delay_s}s")
}

/// The queue of messages that only a person can help.
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
