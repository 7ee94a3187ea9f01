//! Who hears of which event: an event wakes only those whom it concerns.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver};

use super::{Batch, LoggedEvent, TxSnapshot};

/// So many batches wait for a subscriber; one that is further behind has to look at the tables.
const WAITING: usize = 32;

/// A topic's part of a batch.
#[derive(Debug, Clone)]
pub struct TopicBatch {
    /// Its events, in order; never none.
    pub events: Vec<Arc<LoggedEvent>>,
    /// What was visible before.
    pub from: Arc<TxSnapshot>,
    /// What is visible with them.
    pub to: Arc<TxSnapshot>,
}

/// The subscriber lagged behind, or the log began anew: what happened meanwhile is only in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged;

#[derive(Debug, Clone, Default)]
pub(super) struct Topics(Arc<Mutex<HashMap<String, broadcast::Sender<Arc<TopicBatch>>>>>);

impl Topics {
    fn all(&self) -> MutexGuard<'_, HashMap<String, broadcast::Sender<Arc<TopicBatch>>>> {
        // Nobody panics in the middle of a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(&self, topic: String) -> Subscription {
        let heard = self.all().entry(topic.clone()).or_insert_with(|| broadcast::channel(WAITING).0).subscribe();
        Subscription { heard: Some(heard), topic, topics: self.clone() }
    }

    pub(super) fn tell(&self, batch: &Batch) {
        let topics = self.all();
        if topics.is_empty() {
            return;
        }
        let mut parts: HashMap<&str, Vec<Arc<LoggedEvent>>> = HashMap::new();
        let ids: Vec<String> = batch.events.iter().map(|event| event.aggregate_id.to_string()).collect();
        for (event, id) in batch.events.iter().zip(&ids) {
            for topic in [Some(id.as_str()), event.audience.as_deref()].into_iter().flatten() {
                if topics.contains_key(topic) {
                    parts.entry(topic).or_default().push(Arc::clone(event));
                }
            }
        }
        for (topic, events) in parts {
            let heard = TopicBatch { events, from: Arc::clone(&batch.from), to: Arc::clone(&batch.to) };
            if let Some(sender) = topics.get(topic) {
                // A subscriber that left in this moment is fine.
                let _ = sender.send(Arc::new(heard));
            }
        }
    }

    /// Ends every subscription with [`Lagged`].
    pub(super) fn forget(&self) {
        self.all().clear();
    }

    fn leave(&self, topic: &str) {
        let mut topics = self.all();
        if topics.get(topic).is_some_and(|sender| sender.receiver_count() == 0) {
            topics.remove(topic);
        }
    }
}

/// One listener of one topic. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription {
    heard: Option<Receiver<Arc<TopicBatch>>>,
    topic: String,
    topics: Topics,
}

impl Subscription {
    /// What is heard next.
    ///
    /// # Errors
    /// [`Lagged`]: look at the tables; then listening goes on.
    pub async fn next(&mut self) -> Result<Arc<TopicBatch>, Lagged> {
        let Some(heard) = &mut self.heard else { return Err(Lagged) };
        match heard.recv().await {
            Ok(heard) => Ok(heard),
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
        // Our own receiver must not be counted.
        self.heard = None;
        self.topics.leave(&self.topic);
    }
}
