//! The database's clock, known without asking: the event log's looks bring its time along, several times a second.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// An answer that took longer says too little about when it was true.
const QUICK: Duration = Duration::from_millis(5);
/// How long the clocks of two machines run alike: they drift apart by less than a millisecond.
const ALIKE: Duration = Duration::from_secs(10);

/// What the database's clock said when.
#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<Option<(Instant, DateTime<Utc>)>>);

impl Clock {
    /// The database said `time` in an answer to what was asked at `asked_at`.
    pub(crate) fn heard(&self, asked_at: Instant, time: DateTime<Utc>) {
        let now = Instant::now();
        if now - asked_at <= QUICK {
            *self.lock() = Some((now, time));
        }
    }

    /// Its time now, if it was heard lately.
    pub(crate) fn now(&self) -> Option<DateTime<Utc>> {
        let (heard_at, time) = (*self.lock())?;
        let passed = heard_at.elapsed();
        (passed <= ALIKE).then(|| time + passed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, DateTime<Utc>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_or_an_old_one_says_nothing() {
        let (clock, time) = (Clock::default(), Utc::now());
        assert_eq!(clock.now(), None);
        clock.heard(Instant::now() - QUICK * 2, time);
        assert_eq!(clock.now(), None);
        clock.heard(Instant::now(), time);
        assert!(clock.now().is_some_and(|now| now >= time));
        *clock.lock() = Some((Instant::now() - ALIKE * 2, time));
        assert_eq!(clock.now(), None);
    }
}
