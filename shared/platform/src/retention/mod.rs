//! Retention: deletes what is older than it has to be kept, in steps small enough that nobody waits for them.
//!
//! Nothing that is open is deleted, whatever its age. The versions that a consumer has applied are kept for as long as an
//! event that they would overtake may still be applied: older events are refused, and their dead letters not replayed.

mod events;
mod periods;
mod rules;

use std::time::Duration;

pub use self::periods::RetentionPeriods;
pub use self::rules::{Period, RetentionRule, RetentionRules};
use crate::{Db, Stop};

/// Between two passes.
const INTERVAL: Duration = Duration::from_secs(60);

/// Makes a pass every minute until `stop`. Two processes may do so at once.
pub async fn run(db: Db, periods: RetentionPeriods, own: RetentionRules, stop: Stop) {
    loop {
        pass(&db, periods, own, &stop).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// Deletes everything that is old enough now. A failure is logged and tried again in the next pass.
pub async fn pass(db: &Db, periods: RetentionPeriods, own: RetentionRules, stop: &Stop) {
    for rule in rules::PLATFORM.iter().chain(own.tables) {
        if let Err(refusal) = rules::apply(db, periods, *rule, stop).await {
            tracing::warn!(what = rule.what, error = ?refusal, "{} could not be deleted", rule.what);
        }
    }
    if let Err(refusal) = events::delete(db, periods.history, own.is_open, stop).await {
        tracing::warn!(error = ?refusal, "events could not be deleted");
    }
}
