//! Rounds: what the dispatcher saw when it looked at a delivery, and what it decided.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::zone::DispatchAlgorithm;
use pannier_contracts::{DeliveryId, RiderId, RoundId, stored_as_text, text_enum};
use pannier_engine::{Candidate, Decision, Outcome, POLICY_VERSION, explain};
use pannier_platform::retention::{Period, RetentionRule};
use pannier_platform::{Conn, Json, Prepare as _, Refusal};
use uuid::Uuid;

use super::schema::rounds;

/// Rounds of deliveries that have ended. Ids grow with time, so the oldest are at the beginning of the key. Raw SQL,
/// because retention runs it for every service.
pub const RETENTION: RetentionRule = RetentionRule {
    what: "rounds",
    period: Period::History,
    sql: "DELETE FROM rounds WHERE id = ANY(ARRAY(
              SELECT r.id FROM (SELECT id, delivery_id, at FROM rounds ORDER BY id LIMIT $1) AS r
              JOIN deliveries d ON d.id = r.delivery_id
              WHERE r.at < statement_timestamp() - $2 * interval '1 s' AND NOT d.is_open))",
};

text_enum! {
    /// Why `greedy` decided where the zone asks for `horizon`.
    pub enum Fallback {
        /// `horizon` took too long.
        Late => "late",
        /// `horizon` had not finished the plan of an earlier tick.
        StillPlanning => "still_planning",
        /// `horizon` panicked; the log has the reason.
        Failed => "failed",
    }
}

stored_as_text!(Fallback);

/// A round.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = rounds)]
pub struct Round {
    /// Its id.
    pub id: RoundId,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// `offer`, `hold` or `nobody`.
    pub outcome: String,
    /// Why it was `hold` or `nobody`.
    pub reason: Option<String>,
    /// The end of a hold.
    pub until_at: Option<DateTime<Utc>>,
    /// The version of the engine's rules.
    pub policy_version: i32,
    /// The riders who were considered; the best choice first.
    pub candidates: Json<Vec<Candidate>>,
    /// The number of further riders who were considered.
    pub left_out: i32,
    /// The algorithm that decided: `horizon` or `greedy`.
    pub policy: String,
    /// The seed of the search: 64 bits, as a signed number.
    pub seed: i64,
    /// The steps of the search.
    pub steps: i32,
    /// How long the plan took, milliseconds.
    pub took_ms: i32,
    /// Why `greedy` decided where the zone asks for `horizon`.
    pub fallback: Option<Fallback>,
    /// The rider who is to carry the delivery by the plan.
    pub planned_rider_id: Option<RiderId>,
}

impl Round {
    /// As the engine explains it; `asked` are the riders of its offers, in the order in which they were asked.
    #[must_use]
    pub fn explained<'a>(&'a self, asked: &'a [RiderId]) -> explain::Round<'a> {
        explain::Round {
            at_ms: self.at.timestamp_millis(),
            reason: self.reason.as_deref(),
            until_ms: self.until_at.map(|at| at.timestamp_millis()),
            asked,
            candidates: &self.candidates.0,
            left_out: u32::try_from(self.left_out).unwrap_or(0),
        }
    }
}

/// How the plan was made that a round is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanMetadata {
    /// The algorithm that decided.
    pub policy: DispatchAlgorithm,
    /// The seed of the search.
    pub seed: u64,
    /// The steps of the search.
    pub steps: u32,
    /// How long the plan took, milliseconds.
    pub took_ms: u64,
    /// Why `greedy` decided where the zone asks for `horizon`.
    pub fallback: Option<Fallback>,
}

/// A round to be written.
#[derive(Debug, Clone, Copy)]
pub struct NewRound<'a> {
    /// Its id.
    pub id: RoundId,
    /// What was decided.
    pub decision: &'a Decision,
    /// How the plan was made.
    pub plan: &'a PlanMetadata,
    /// The rider who is to carry the delivery by the plan.
    pub planned_rider: Option<RiderId>,
}

/// The newest round of a delivery, without its candidates.
#[derive(Debug, Clone, QueryableByName)]
#[diesel(table_name = rounds)]
pub struct LatestRound {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// `offer`, `hold` or `nobody`.
    pub outcome: String,
    /// Why it was `hold` or `nobody`.
    pub reason: Option<String>,
    /// The end of a hold.
    pub until_at: Option<DateTime<Utc>>,
    /// The rider who is to carry the delivery by the plan.
    pub planned_rider_id: Option<RiderId>,
}

impl LatestRound {
    /// What is kept in memory of a round that was written at `now`.
    #[must_use]
    pub fn new(round: &NewRound<'_>, now: DateTime<Utc>) -> Self {
        let outcome = &round.decision.outcome;
        Self {
            delivery_id: round.decision.delivery,
            at: now,
            outcome: outcome.as_str().to_owned(),
            reason: outcome.reason().map(str::to_owned),
            until_at: held_until(round.decision),
            planned_rider_id: round.planned_rider,
        }
    }
}

/// The end of a hold; none of other decisions.
#[must_use]
pub fn held_until(decision: &Decision) -> Option<DateTime<Utc>> {
    match decision.outcome {
        Outcome::Hold { until_ms, .. } => DateTime::from_timestamp_millis(until_ms),
        _ => None,
    }
}

/// Why a decision asks a rider, in a sentence for them: nothing about other riders.
#[must_use]
pub fn why_asked(decision: &Decision, now: DateTime<Utc>, rider: RiderId) -> Option<String> {
    let round = explain::Round {
        at_ms: now.timestamp_millis(),
        reason: decision.outcome.reason(),
        until_ms: held_until(decision).map(|at| at.timestamp_millis()),
        asked: &[rider],
        candidates: &decision.candidates,
        left_out: decision.left_out,
    };
    explain::for_rider(&round, rider)
}

/// Rounds written in one statement. One may have ten kilobytes, and a connection keeps a buffer as large as its largest
/// statement.
const ROUNDS_PER_STATEMENT: usize = 64;

/// Writes rounds that were decided at `now`.
pub async fn insert_all(conn: &mut Conn, rounds: &[NewRound<'_>], now: DateTime<Utc>) -> Result<(), Refusal> {
    for rounds in rounds.chunks(ROUNDS_PER_STATEMENT) {
        insert_some(conn, rounds, now).await?;
    }
    Ok(())
}

async fn insert_some(conn: &mut Conn, rounds: &[NewRound<'_>], now: DateTime<Utc>) -> Result<(), Refusal> {
    // Serialised to text: as a tree of JSON values the candidates would take ten times the memory.
    let json = |round: &NewRound<'_>| serde_json::to_string(&round.decision.candidates);
    let candidates: Vec<String> =
        rounds.iter().map(json).collect::<Result<_, _>>().map_err(|e| Refusal::Bug(e.into()))?;
    let int = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
    // Raw: any number of rows in one text that is prepared once.
    diesel::sql_query(
        "INSERT INTO rounds (id, delivery_id, at, outcome, reason, until_at, policy_version, candidates, left_out, policy, seed,
             steps, took_ms, fallback, planned_rider_id)
         SELECT id, delivery_id, $1, outcome, reason, until_at, $2, candidates::jsonb, left_out, policy, seed, steps, took_ms, fallback,
             planned_rider_id
         FROM unnest($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) AS new (id, delivery_id, outcome, reason, until_at,
             candidates, left_out, policy, seed, steps, took_ms, fallback, planned_rider_id)",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Integer, _>(i32::try_from(POLICY_VERSION).unwrap_or(i32::MAX))
    .bind::<Array<SqlUuid>, _>(rounds.iter().map(|r| r.id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(rounds.iter().map(|r| r.decision.delivery).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rounds.iter().map(|r| r.decision.outcome.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rounds.iter().map(|r| r.decision.outcome.reason()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Timestamptz>>, _>(rounds.iter().map(|r| held_until(r.decision)).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(candidates)
    .bind::<Array<Integer>, _>(rounds.iter().map(|r| int(u64::from(r.decision.left_out))).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rounds.iter().map(|r| r.plan.policy.as_str()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(rounds.iter().map(|r| r.plan.seed.cast_signed()).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(rounds.iter().map(|r| int(u64::from(r.plan.steps))).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(rounds.iter().map(|r| int(r.plan.took_ms)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rounds.iter().map(|r| r.plan.fallback).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(rounds.iter().map(|r| r.planned_rider).collect::<Vec<_>>())
    .prepared()
    .execute(conn)
    .await?;
    Ok(())
}

/// The newest round of each of these deliveries, if it has one.
pub async fn newest(conn: &mut Conn, deliveries: &[DeliveryId]) -> Result<Vec<LatestRound>, Refusal> {
    // Raw: a lateral join reads one row per delivery from an index.
    Ok(diesel::sql_query(
        "SELECT r.* FROM unnest($1) AS d (id)
         CROSS JOIN LATERAL (SELECT delivery_id, at, outcome, reason, until_at, planned_rider_id FROM rounds
                             WHERE delivery_id = d.id ORDER BY id DESC LIMIT 1) AS r",
    )
    .bind::<Array<SqlUuid>, _>(deliveries)
    .prepared()
    .load(conn)
    .await?)
}

/// At most `limit` rounds of a delivery, oldest first, after a cursor.
pub async fn page(
    conn: &mut Conn,
    delivery: DeliveryId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Round>, Refusal> {
    Ok(rounds::table
        .filter(rounds::delivery_id.eq(delivery))
        .filter(rounds::id.gt(after.unwrap_or(Uuid::nil())))
        .order(rounds::id)
        .limit(limit)
        .select(Round::as_select())
        .load(conn)
        .await?)
}
