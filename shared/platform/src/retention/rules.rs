//! Which rows of which tables are deleted by age.

use std::time::Duration;

use diesel::sql_types::{BigInt, Double};
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;

use super::periods::RetentionPeriods;
use crate::db::Prepare as _;
use crate::{Db, Refusal, Stop};

/// Rows deleted in one statement, which commits by itself.
pub(super) const STEP: i64 = 1_000;
/// Between two statements.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// How old rows have to be before they are deleted.
#[derive(Debug, Clone, Copy)]
pub enum Period {
    /// [`RetentionPeriods::history`].
    History,
    /// [`RetentionPeriods::answers`].
    Answers,
}

/// The rows of one table that are deleted by age.
#[derive(Debug, Clone, Copy)]
pub struct RetentionRule {
    /// What the rows are, for the log: `stored answers`.
    pub what: &'static str,
    /// How old they have to be.
    pub period: Period,
    /// A DELETE of at most `$1` rows that are older than `$2` seconds. It has to find the oldest ones by an index.
    ///
    /// Raw: diesel does not know `ctid`, by which rows without a short key are deleted.
    pub sql: &'static str,
}

/// What one service deletes beside what every service does.
#[derive(Debug, Clone, Copy, Default)]
pub struct RetentionRules {
    /// Tables of its own.
    pub tables: &'static [RetentionRule],
    /// A SQL condition: does the event `p` belong to an aggregate that is open? It may use `p.aggregate_id`. `None`: no event
    /// does.
    pub is_open: Option<&'static str>,
}

/// The tables that every service has.
pub(super) const PLATFORM: [RetentionRule; 6] = [
    crate::audit::RETENTION,
    RetentionRule {
        what: "stored answers",
        period: Period::Answers,
        sql: "DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
                  SELECT ctid FROM idempotency WHERE created_at < statement_timestamp() - $2 * interval '1 s'
                  ORDER BY created_at LIMIT $1))",
    },
    RetentionRule {
        what: "late events",
        period: Period::History,
        sql: "DELETE FROM late_events WHERE id = ANY(ARRAY(
                  SELECT id FROM (SELECT id, at FROM late_events ORDER BY id LIMIT $1) AS oldest
                  WHERE at < statement_timestamp() - $2 * interval '1 s'))",
    },
    RetentionRule {
        what: "settled dead letters",
        period: Period::History,
        sql: "DELETE FROM dead_letters WHERE ctid = ANY(ARRAY(
                  SELECT ctid FROM dead_letters WHERE settled_at < statement_timestamp() - $2 * interval '1 s' LIMIT $1))",
    },
    RetentionRule {
        what: "resolved alarms",
        period: Period::History,
        sql: "DELETE FROM alarms WHERE ctid = ANY(ARRAY(
                  SELECT ctid FROM alarms WHERE resolved_at < statement_timestamp() - $2 * interval '1 s' LIMIT $1))",
    },
    // Ids are UUID v7, so for each consumer the oldest are at the beginning of the primary key. Standing aggregates stay:
    // their ids are old while their events are new.
    RetentionRule {
        what: "applied versions",
        period: Period::History,
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

/// Deletes what `rule` allows, in steps, until nothing is left or `stop`. Returns the number of rows.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database; the steps before are committed.
pub(super) async fn apply(
    db: &Db,
    periods: RetentionPeriods,
    rule: RetentionRule,
    stop: &Stop,
) -> Result<usize, Refusal> {
    let age = match rule.period {
        Period::History => periods.history,
        Period::Answers => periods.answers,
    };
    let mut deleted = 0;
    while !stop.is_cancelled() {
        let step = db
            .read(move |conn| {
                async move {
                    Ok(diesel::sql_query(rule.sql)
                        .bind::<BigInt, _>(STEP)
                        .bind::<Double, _>(age.as_secs_f64())
                        .prepared()
                        .execute(conn)
                        .await?)
                }
                .boxed()
            })
            .await?;
        deleted += step;
        if (step as i64) < STEP {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    if deleted > 0 {
        tracing::info!(what = rule.what, deleted, "deleted {deleted} {}", rule.what);
    }
    Ok(deleted)
}
