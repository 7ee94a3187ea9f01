//! Forgetting: what nobody can ask for any more is removed, in steps small enough to hold nobody up.
//!
//! What is open is never forgotten, whatever its age. What a consumer has applied is remembered for as long as the news
//! that could overtake it: older news is not applied any more, and its dead letters cannot be replayed.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{BigInt, Double};
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use pannier_contracts::topology::STANDING;

use crate::db::Prepare as _;
use crate::{Db, Refusal, Stop, event_log};

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(60);
/// Rows removed in one statement, which commits by itself.
pub(crate) const STEP: i64 = 1_000;
/// Between two steps.
pub(crate) const BREATH: Duration = Duration::from_millis(50);

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// What has happened: events, rounds, what was applied, late events, settled dead letters.
    pub history: Duration,
    /// What is only looked up when a request comes again: stored answers, quotes.
    pub answers: Duration,
}

impl Default for Kept {
    /// As the services' settings have it by default.
    fn default() -> Self {
        Self { history: Duration::from_secs(90 * 24 * 3_600), answers: Duration::from_secs(48 * 3_600) }
    }
}

impl Kept {
    /// For these settings.
    ///
    /// # Errors
    /// They are out of their bounds.
    pub fn new(days: u64, answers_hours: u64) -> anyhow::Result<Self> {
        anyhow::ensure!((7..=3_650).contains(&days), "keep_days is 7 to 3650");
        anyhow::ensure!((24..=720).contains(&answers_hours), "keep_answers_hours is 24 to 720");
        Ok(Self {
            history: Duration::from_secs(days * 24 * 3_600),
            answers: Duration::from_secs(answers_hours * 3_600),
        })
    }

    /// May news of this age still be applied? What was applied of something that ends is forgotten with its history, and
    /// news from before could undo what came after it.
    #[must_use]
    pub fn remembers(&self, aggregate: &str, occurred_at: DateTime<Utc>) -> bool {
        let age = Utc::now() - occurred_at;
        STANDING.contains(&aggregate) || TimeDelta::from_std(self.history).is_ok_and(|history| age < history)
    }
}

/// How old rows have to be before they go.
#[derive(Debug, Clone, Copy)]
pub enum After {
    /// [`Kept::history`].
    History,
    /// [`Kept::answers`].
    Answers,
}

/// Rows of one table that can go.
#[derive(Debug, Clone, Copy)]
pub struct Forgotten {
    /// What they are, for the log.
    pub what: &'static str,
    /// After how long.
    pub after: After,
    /// Raw, because each table has its own way to find its oldest rows by an index, and many rows have only a `ctid`.
    /// A DELETE of at most `$1` rows that are older than `$2` seconds: the oldest by an index.
    pub sql: &'static str,
}

/// What one service forgets beside what every service does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Forgets {
    /// Tables of its own.
    pub tables: &'static [Forgotten],
    /// SQL that says whether an event `p` belongs to something open, by `p.aggregate_id`.
    pub is_open: Option<&'static str>,
}

/// What every service forgets. Raw: diesel does not know `ctid`, by which rows without a short key are deleted.
const EVERYWHERE: [Forgotten; 5] = [
    Forgotten {
        what: "stored answers",
        after: After::Answers,
        sql: "DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
                  SELECT ctid FROM idempotency WHERE created_at < statement_timestamp() - $2 * interval '1 s'
                  ORDER BY created_at LIMIT $1))",
    },
    Forgotten {
        what: "late events",
        after: After::History,
        sql: "DELETE FROM late_events WHERE id = ANY(ARRAY(
                  SELECT id FROM (SELECT id, at FROM late_events ORDER BY id LIMIT $1) AS oldest
                  WHERE at < statement_timestamp() - $2 * interval '1 s'))",
    },
    Forgotten {
        what: "settled dead letters",
        after: After::History,
        sql: "DELETE FROM dead_letters WHERE ctid = ANY(ARRAY(
                  SELECT ctid FROM dead_letters WHERE settled_at < statement_timestamp() - $2 * interval '1 s' LIMIT $1))",
    },
    Forgotten {
        what: "resolved alarms",
        after: After::History,
        sql: "DELETE FROM alarms WHERE ctid = ANY(ARRAY(
                  SELECT ctid FROM alarms WHERE resolved_at < statement_timestamp() - $2 * interval '1 s' LIMIT $1))",
    },
    // Ids grow with time: for each consumer the oldest are at the beginning of the key. Those of long-lived things that
    // were heard of lately stay.
    Forgotten {
        what: "applied versions",
        after: After::History,
        sql: "DELETE FROM applied WHERE ctid = ANY(ARRAY(
                  WITH RECURSIVE pair AS (
                      (SELECT consumer, aggregate FROM applied ORDER BY consumer, aggregate LIMIT 1)
                      UNION ALL
                      SELECT next.consumer, next.aggregate FROM pair CROSS JOIN LATERAL (
                          SELECT consumer, aggregate FROM applied
                          WHERE (consumer, aggregate) > (pair.consumer, pair.aggregate)
                          ORDER BY consumer, aggregate LIMIT 1) AS next)
                  SELECT a.ctid FROM pair CROSS JOIN LATERAL (
                      SELECT ctid FROM applied
                      WHERE consumer = pair.consumer AND aggregate = pair.aggregate
                          AND at < statement_timestamp() - $2 * interval '1 s'
                          AND aggregate_id < rpad(lpad(to_hex((extract(epoch FROM statement_timestamp() - $2 * interval '1 s')
                                                  * 1000)::bigint), 12, '0'), 32, '0')::uuid
                      ORDER BY aggregate_id LIMIT $1) AS a
                  WHERE pair.aggregate <> ALL ('{merchant,zone,rider}') LIMIT $1))",
    },
];

/// Forgets until `stop`, what every service has and what this one adds. Two processes doing so at once are harmless.
pub async fn run(db: Db, kept: Kept, own: Forgets, stop: Stop) {
    loop {
        pass(&db, kept, own, &stop).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Forgets everything that can go now. What fails is said, and tried again next time.
pub async fn pass(db: &Db, kept: Kept, own: Forgets, stop: &Stop) {
    for forgotten in EVERYWHERE.iter().chain(own.tables) {
        if let Err(refusal) = forget(db, kept, *forgotten, stop).await {
            tracing::warn!(what = forgotten.what, error = ?refusal, "{} could not be forgotten", forgotten.what);
        }
    }
    if let Err(refusal) = event_log::forget(db, kept.history, own.is_open, stop).await {
        tracing::warn!(error = ?refusal, "events could not be forgotten");
    }
}

/// Removes rows step by step until none is left that can go. Returns how many went.
///
/// # Errors
/// What the database refuses: the rest goes next time.
pub async fn forget(db: &Db, kept: Kept, forgotten: Forgotten, stop: &Stop) -> Result<usize, Refusal> {
    let mut gone = 0;
    let age = match forgotten.after {
        After::History => kept.history,
        After::Answers => kept.answers,
    };
    while !stop.is_cancelled() {
        let step = db
            .read(move |conn| {
                async move {
                    Ok(diesel::sql_query(forgotten.sql)
                        .bind::<BigInt, _>(STEP)
                        .bind::<Double, _>(age.as_secs_f64())
                        .prepared()
                        .execute(conn)
                        .await?)
                }
                .boxed()
            })
            .await?;
        gone += step;
        if (step as i64) < STEP {
            break;
        }
        tokio::time::sleep(BREATH).await;
    }
    if gone > 0 {
        tracing::info!(what = forgotten.what, gone, "forgot {gone} {}", forgotten.what);
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_news_of_what_ends_is_not_applied_any_more() {
        let kept = Kept::new(7, 24).unwrap();
        let ago = |days| Utc::now() - TimeDelta::days(days);
        assert!(kept.remembers("order", ago(6)) && !kept.remembers("order", ago(8)));
        assert!(kept.remembers("zone", ago(800)), "what never ends is never forgotten");
        assert!(Kept::new(6, 48).is_err() && Kept::new(90, 1).is_err());
    }
}
