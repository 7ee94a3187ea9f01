//! What people tell each other outside the platform: the customer the PIN at the door, the day the kitchen's pace.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use pannier_contracts::OrderId;
use tokio::sync::watch;
use tokio::time::Instant;

/// What is told about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What the customer says at the door.
    pub pin: String,
    /// When the kitchen will really be done.
    pub ready_at: DateTime<Utc>,
}

/// Everything that was told.
#[derive(Debug)]
pub struct Directory {
    told: Mutex<HashMap<OrderId, Told>>,
    news: watch::Sender<()>,
}

impl Default for Directory {
    fn default() -> Self {
        Self { told: Mutex::default(), news: watch::Sender::new(()) }
    }
}

impl Directory {
    /// Tells about an order.
    pub fn tell(&self, order: OrderId, told: Told) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(order, told);
        self.news.send_replace(());
    }

    /// The order is over.
    pub fn forget(&self, order: OrderId) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(&order);
    }

    /// What was told about an order.
    #[must_use]
    pub fn get(&self, order: OrderId) -> Option<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).get(&order).cloned()
    }

    /// What was told about an order, or will be soon: a ticket can be faster than the customer's own answer.
    pub async fn wait(&self, order: OrderId, within: Duration) -> Option<Told> {
        let until = Instant::now() + within;
        let mut news = self.news.subscribe();
        loop {
            if let Some(told) = self.get(order) {
                return Some(told);
            }
            if tokio::time::timeout_at(until, news.changed()).await.is_err() {
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
    async fn what_is_told_later_is_waited_for() {
        let directory = Arc::new(Directory::default());
        let (order, other) = (OrderId::generate(), OrderId::generate());
        let told = Told { pin: "0042".into(), ready_at: Utc::now() };
        let waiting = tokio::spawn({
            let directory = directory.clone();
            async move { directory.wait(order, Duration::from_secs(5)).await }
        });
        directory.tell(other, told.clone());
        directory.tell(order, told.clone());
        assert_eq!(waiting.await.unwrap(), Some(told));
        directory.forget(order);
        assert_eq!(directory.wait(order, Duration::ZERO).await, None);
    }
}
