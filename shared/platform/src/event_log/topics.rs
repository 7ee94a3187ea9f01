//! Subscriptions to parts of the log, so that an event wakes only those that it concerns.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver};

use super::event::LoggedEvent;
use super::tx_snapshot::TxSnapshot;

/// How many batches wait for a subscriber. One that is further behind gets [`Lagged`].
const CAPACITY: usize = 32;

/// Events that became visible between two polls of the log.
#[derive(Debug)]
pub struct Batch {
    /// By `seq`; never empty.
    pub events: Vec<Arc<LoggedEvent>>,
    /// What was visible without them.
    pub from: Arc<TxSnapshot>,
    /// What is visible with them.
    pub to: Arc<TxSnapshot>,
}

/// The subscriber missed events, because it was too slow or the log started again. They are only in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged;

type Senders = HashMap<String, broadcast::Sender<Arc<Batch>>>;

#[derive(Debug, Clone, Default)]
pub(super) struct Topics(Arc<Mutex<Senders>>);

impl Topics {
    fn senders(&self) -> MutexGuard<'_, Senders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(&self, topic: String) -> Subscription {
        let batches = self.senders().entry(topic.clone()).or_insert_with(|| broadcast::channel(CAPACITY).0).subscribe();
        Subscription { batches: Some(batches), topic, topics: self.clone() }
    }

    /// Sends each topic its part of the batch.
    pub(super) fn publish(&self, batch: &Batch) {
        let senders = self.senders();
        if senders.is_empty() {
            return;
        }
        let mut parts: HashMap<&str, Vec<Arc<LoggedEvent>>> = HashMap::new();
        let ids: Vec<String> = batch.events.iter().map(|event| event.aggregate_id.to_string()).collect();
        for (event, id) in batch.events.iter().zip(&ids) {
            for topic in [Some(id.as_str()), event.audience.as_deref()].into_iter().flatten() {
                if senders.contains_key(topic) {
                    parts.entry(topic).or_default().push(Arc::clone(event));
                }
            }
        }
        for (topic, events) in parts {
            let part = Batch { events, from: Arc::clone(&batch.from), to: Arc::clone(&batch.to) };
            if let Some(sender) = senders.get(topic) {
                // It fails when the last subscriber has just left.
                let _ = sender.send(Arc::new(part));
            }
        }
    }

    /// Every subscription gets [`Lagged`] next.
    pub(super) fn interrupt(&self) {
        self.senders().clear();
    }

    fn remove_unused(&self, topic: &str) {
        let mut senders = self.senders();
        if senders.get(topic).is_some_and(|sender| sender.receiver_count() == 0) {
            senders.remove(topic);
        }
    }
}

/// A subscription to one topic. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    /// `None` only while it is dropped.
    batches: Option<Receiver<Arc<Batch>>>,
    topic: String,
    topics: Topics,
}

impl Subscription {
    /// Waits for the topic's next events.
    ///
    /// # Errors
    /// [`Lagged`]: read the tables, then call again.
    pub async fn next(&mut self) -> Result<Arc<Batch>, Lagged> {
        let Some(batches) = &mut self.batches else { return Err(Lagged) };
        match batches.recv().await {
            Ok(batch) => Ok(batch),
            Err(RecvError::Lagged(_)) => Err(Lagged),
            Err(RecvError::Closed) => {
                *self = self.topics.subscribe(self.topic.clone());
                Err(Lagged)
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // Before counting, so that its own receiver is not counted.
        self.batches = None;
        self.topics.remove_unused(&self.topic);
    }
}
