//! Who tells whom: the one table of exchanges, events and queues.
//!
//! Every service declares all of it before it publishes. An event that no row names is logged and not published:
//! a mandatory publish of it would come back for ever.

/// One subscription: news of `aggregate`, published on `exchange`, goes into `queue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The owner's exchange (topic, durable).
    pub exchange: &'static str,
    /// The source aggregate; its events are bound as `aggregate.#`.
    pub aggregate: &'static str,
    /// `consumer.aggregate`: one quorum queue per consumer and source aggregate.
    pub queue: &'static str,
}

/// Everything that is subscribed to.
pub const ROUTES: &[Route] = &[
    Route { exchange: "order", aggregate: "order", queue: "merchant.order" },
    Route { exchange: "order", aggregate: "order", queue: "dispatch.order" },
    Route { exchange: "merchant", aggregate: "ticket", queue: "order.ticket" },
    Route { exchange: "merchant", aggregate: "merchant", queue: "order.merchant" },
    Route { exchange: "dispatch", aggregate: "delivery", queue: "order.delivery" },
    Route { exchange: "dispatch", aggregate: "delivery", queue: "merchant.delivery" },
    Route { exchange: "dispatch", aggregate: "zone", queue: "order.zone" },
];

/// The waits of the retry ladder, seconds: one queue each, because mixed waits in one queue block each other at its head.
pub const RETRY_LADDER_S: &[u32] = &[5, 30, 300];

/// Does anybody want news of this aggregate?
#[must_use]
pub fn is_subscribed(aggregate: &str) -> bool {
    ROUTES.iter().any(|r| r.aggregate == aggregate)
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
