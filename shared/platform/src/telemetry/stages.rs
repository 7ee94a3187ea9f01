//! Metrics that are counted from the event log: how long stages last, what becomes of offers.
//!
//! Only the instance that holds the relay's lease counts, so that each event is counted once. It remembers what is under way
//! in memory; what began before it took the lease is left out.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use lru::LruCache;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use crate::Stop;
use crate::event_log::{EventLog, LoggedEvent};

/// Aggregates that can be under way at once; the longest unchanged is forgotten.
const UNDER_WAY: NonZeroUsize = NonZeroUsize::new(50_000).expect("not zero");

/// What a service counts.
pub trait Count: Send + 'static {
    /// An event became visible.
    fn count(&mut self, event: &LoggedEvent);
}

/// Counts while this process holds the relay's lease. Clones are the same.
#[derive(Clone, Default)]
pub struct LogMeter(Option<Arc<Mutex<dyn Count>>>);

impl std::fmt::Debug for LogMeter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogMeter")
    }
}

impl LogMeter {
    /// Counts with `count`.
    pub fn new(count: impl Count) -> Self {
        Self(Some(Arc::new(Mutex::new(count))))
    }

    pub(crate) async fn run(&self, log: &EventLog, held: &Stop) {
        let Some(count) = &self.0 else { return };
        let mut events = log.listen();
        loop {
            let event = tokio::select! {
                () = held.cancelled() => return,
                event = events.recv() => event,
            };
            match event {
                Ok(event) => count.lock().unwrap_or_else(PoisonError::into_inner).count(&event),
                // They are missing in the metrics, and nowhere else.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// When each aggregate that is under way reached its moments.
#[derive(Debug)]
pub struct Moments(LruCache<Uuid, Vec<(String, DateTime<Utc>)>>);

impl Default for Moments {
    fn default() -> Self {
        Self(LruCache::new(UNDER_WAY))
    }
}

impl Moments {
    /// Remembers a moment; the first of its name counts.
    pub fn reached(&mut self, id: Uuid, moment: &str, at: DateTime<Utc>) {
        let moments = self.0.get_or_insert_mut(id, Vec::new);
        if !moments.iter().any(|(name, _)| name == moment) {
            moments.push((moment.to_owned(), at));
        }
    }

    /// Seconds from a moment until `at`, if it was seen.
    #[must_use]
    pub fn seconds_since(&mut self, id: Uuid, moment: &str, at: DateTime<Utc>) -> Option<f64> {
        let moments = self.0.get(&id)?;
        let (_, since) = moments.iter().find(|(name, _)| name == moment)?;
        Some((at - *since).as_seconds_f64().max(0.0))
    }

    /// Forgets an aggregate that has ended.
    pub fn ended(&mut self, id: Uuid) {
        self.0.pop(&id);
    }
}
