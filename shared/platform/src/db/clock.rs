//! The database's time without a round trip: the event log reads it several times a second with its polls.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// The longest round trip whose answer is used: the time in it may be that old.
const MAX_ROUND_TRIP: Duration = Duration::from_millis(5);
/// How long an answer is used. The clocks of two machines drift apart by less than a millisecond meanwhile.
const MAX_AGE: Duration = Duration::from_secs(10);

/// The database's newest known time, and when it was received.
#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<Option<(Instant, DateTime<Utc>)>>);

impl Clock {
    /// Takes `time`, which the database said in the answer to a statement that was sent at `sent_at`.
    pub(crate) fn set(&self, sent_at: Instant, time: DateTime<Utc>) {
        let now = Instant::now();
        if now - sent_at <= MAX_ROUND_TRIP {
            *self.lock() = Some((now, time));
        }
    }

    /// The database's time now; `None` when it was not [`set`](Self::set) in the last ten seconds.
    pub(crate) fn now(&self) -> Option<DateTime<Utc>> {
        let (received_at, time) = (*self.lock())?;
        let age = received_at.elapsed();
        (age <= MAX_AGE).then(|| time + age)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, DateTime<Utc>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_and_old_answers_are_not_used() {
        let (clock, time) = (Clock::default(), Utc::now());
        assert_eq!(clock.now(), None);
        clock.set(Instant::now() - MAX_ROUND_TRIP * 2, time);
        assert_eq!(clock.now(), None);
        clock.set(Instant::now(), time);
        assert!(clock.now().is_some_and(|now| now >= time));
        *clock.lock() = Some((Instant::now() - MAX_AGE * 2, time));
        assert_eq!(clock.now(), None);
    }
}
