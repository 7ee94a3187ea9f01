//! What people know from each other outside the platform: the rider has the PIN from the customer at the door, and the
//! kitchen has the ready time from the recorded day.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use pannier_contracts::OrderId;
use tokio::sync::watch;
use tokio::time::Instant;

/// What the shop and the rider need to know about an order and cannot read from their APIs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFacts {
    /// The handover PIN.
    pub pin: String,
    /// When the food will be ready.
    pub ready_at: DateTime<Utc>,
}

/// Facts of all open orders. Shared by all bots of a city.
#[derive(Debug)]
pub struct SideChannel {
    facts: Mutex<HashMap<OrderId, OrderFacts>>,
    changed: watch::Sender<()>,
}

impl Default for SideChannel {
    fn default() -> Self {
        Self { facts: Mutex::default(), changed: watch::Sender::new(()) }
    }
}

impl SideChannel {
    /// Publishes an order's facts.
    pub fn publish(&self, order: OrderId, facts: OrderFacts) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).insert(order, facts);
        self.changed.send_replace(());
    }

    /// Removes an order that has ended.
    pub fn remove(&self, order: OrderId) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).remove(&order);
    }

    /// The facts of an order, if they are published.
    #[must_use]
    pub fn get(&self, order: OrderId) -> Option<OrderFacts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).get(&order).cloned()
    }

    /// Waits for the facts of an order: its ticket can reach the shop before the answer reaches the customer.
    pub async fn wait(&self, order: OrderId, timeout: Duration) -> Option<OrderFacts> {
        let deadline = Instant::now() + timeout;
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(facts) = self.get(order) {
                return Some(facts);
            }
            if tokio::time::timeout_at(deadline, changed.changed()).await.is_err() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn facts_that_are_published_later_are_waited_for() {
        let channel = Arc::new(SideChannel::default());
        let (order, other) = (OrderId::generate(), OrderId::generate());
        let facts = OrderFacts { pin: "0042".into(), ready_at: Utc::now() };
        let waiting = tokio::spawn({
            let channel = channel.clone();
            async move { channel.wait(order, Duration::from_secs(5)).await }
        });
        channel.publish(other, facts.clone());
        channel.publish(order, facts.clone());
        assert_eq!(waiting.await.unwrap(), Some(facts));
        channel.remove(order);
        assert_eq!(channel.wait(order, Duration::ZERO).await, None);
    }
}
