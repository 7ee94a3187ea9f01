//! How long rows are kept.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pannier_contracts::topology::STANDING;

/// How long rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPeriods {
    /// Events, rounds, applied versions, late events, settled dead letters, resolved alarms.
    pub history: Duration,
    /// What is only read when a request is repeated: stored answers, quotes.
    pub answers: Duration,
}

impl Default for RetentionPeriods {
    /// The services' default settings.
    fn default() -> Self {
        Self { history: Duration::from_secs(90 * 24 * 3_600), answers: Duration::from_secs(48 * 3_600) }
    }
}

impl RetentionPeriods {
    /// From the settings `keep_days` and `keep_answers_hours`.
    ///
    /// # Errors
    /// Names the setting that is out of its range.
    pub fn new(days: u64, answers_hours: u64) -> anyhow::Result<Self> {
        anyhow::ensure!((7..=3_650).contains(&days), "keep_days is 7 to 3650");
        anyhow::ensure!((24..=720).contains(&answers_hours), "keep_answers_hours is 24 to 720");
        Ok(Self {
            history: Duration::from_secs(days * 24 * 3_600),
            answers: Duration::from_secs(answers_hours * 3_600),
        })
    }

    /// Whether an event of this age may still be applied. Afterwards the applied version of its aggregate may have been
    /// deleted, and the event could undo a later one. Standing aggregates have no limit.
    #[must_use]
    pub fn may_apply(&self, aggregate: &str, occurred_at: DateTime<Utc>) -> bool {
        let age = Utc::now() - occurred_at;
        STANDING.contains(&aggregate) || TimeDelta::from_std(self.history).is_ok_and(|history| age < history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_events_are_applied_only_of_standing_aggregates() {
        let periods = RetentionPeriods::new(7, 24).unwrap();
        let ago = |days| Utc::now() - TimeDelta::days(days);
        assert!(periods.may_apply("order", ago(6)) && !periods.may_apply("order", ago(8)));
        assert!(periods.may_apply("zone", ago(800)));
        assert!(RetentionPeriods::new(6, 48).is_err() && RetentionPeriods::new(90, 1).is_err());
    }
}
