//! Rounds: what the dispatcher saw when it looked at a delivery, and what it decided.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::zone::DispatchAlgorithm;
use pannier_contracts::{DeliveryId, RiderId, RoundId, stored_as_text, text_enum};
use pannier_engine::{Candidate, Decision, Outcome, POLICY_VERSION, explain};
use pannier_platform::retention::{After, Forgotten};
use pannier_platform::{Conn, Json, Prepare as _, Refusal};
use uuid::Uuid;

use super::schema::rounds;

/// Rounds of deliveries that are over. Raw because retention runs it for every service's tables. Ids grow with time.
pub const FORGOTTEN: Forgotten = Forgotten {
    what: "rounds",
    after: After::History,
    sql: "DELETE FROM rounds WHERE id = ANY(ARRAY(
              SELECT r.id FROM (SELECT id, delivery_id, at FROM rounds ORDER BY id LIMIT $1) AS r
              JOIN deliveries d ON d.id = r.delivery_id
              WHERE r.at < statement_timestamp() - $2 * interval '1 s' AND NOT d.is_open))",
};

text_enum! {
    /// Why `greedy` decided where `horizon` was asked.
    pub enum Fallback {
        /// `horizon` took too long.
        Late => "late",
        /// `horizon` has not even finished an earlier tick's plan.
        StillPlanning => "still_planning",
        /// `horizon` panicked: the log has the reason.
        Failed => "failed",
    }
}

stored_as_text!(Fallback);

/// A round.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = rounds)]
pub struct Round {
    /// Which round.
    pub id: RoundId,
    /// When.
    pub at: DateTime<Utc>,
    /// `offer`, `hold`, `nobody`.
    pub outcome: String,
    /// Why it was not an offer.
    pub reason: Option<String>,
    /// When a hold is looked at again.
    pub until_at: Option<DateTime<Utc>>,
    /// Under which rules.
    pub policy_version: i32,
    /// Who was looked at.
    pub candidates: Json<Vec<Candidate>>,
    /// How many more were looked at.
    pub left_out: i32,
    /// Who decided: `horizon`, `greedy`.
    pub policy: String,
    /// Where the search's dice started.
    pub seed: i64,
    /// Steps of the search.
    pub steps: i32,
    /// From the question to the answer, milliseconds.
    pub took_ms: i32,
    /// Why `greedy` decided where `horizon` was asked.
    pub fallback: Option<Fallback>,
    /// Who is to carry it as things stand.
    pub planned_rider_id: Option<RiderId>,
}

impl Round {
    /// As it is explained; `asked` are the riders of its offers, in the order in which they were asked.
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

/// How the plan came about that a round is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Who decided.
    pub policy: DispatchAlgorithm,
    /// Where the search's dice started.
    pub seed: u64,
    /// Steps of the search.
    pub steps: u32,
    /// From the question to the answer, milliseconds.
    pub took_ms: u64,
    /// Why `greedy` decided where `horizon` was asked.
    pub fallback: Option<Fallback>,
    /// Who is to carry the round's delivery as things stand.
    pub planned_rider: Option<RiderId>,
}

/// What is remembered of the newest round of a delivery.
#[derive(Debug, Clone, QueryableByName)]
#[diesel(table_name = rounds)]
pub struct Last {
    /// Of which delivery.
    pub delivery_id: DeliveryId,
    /// When.
    pub at: DateTime<Utc>,
    /// `offer`, `hold`, `nobody`.
    pub outcome: String,
    /// Why.
    pub reason: Option<String>,
    /// When a hold is looked at again.
    pub until_at: Option<DateTime<Utc>>,
    /// Who was to carry it.
    pub planned_rider_id: Option<RiderId>,
}

/// Until when a decision holds, if it is a hold.
#[must_use]
pub fn until(decision: &Decision) -> Option<DateTime<Utc>> {
    match decision.outcome {
        Outcome::Hold { until_ms, .. } => DateTime::from_timestamp_millis(until_ms),
        _ => None,
    }
}

/// A round to be written: what was decided, how the plan came about, and its id.
pub type NewRound<'a> = (RoundId, &'a Decision, &'a Made);

/// Rounds written in one statement: each may be ten kilobytes, and a connection keeps the room of its largest statement.
const AT_ONCE: usize = 64;

/// Writes rounds.
///
/// # Errors
/// What the database refuses.
pub async fn insert_all(conn: &mut Conn, new: &[NewRound<'_>], now: DateTime<Utc>) -> Result<(), Refusal> {
    for new in new.chunks(AT_ONCE) {
        insert_some(conn, new, now).await?;
    }
    Ok(())
}

async fn insert_some(conn: &mut Conn, new: &[NewRound<'_>], now: DateTime<Utc>) -> Result<(), Refusal> {
    // As text: a tree of values of all candidates would be ten times as large.
    let json = |decision: &Decision| serde_json::to_string(&decision.candidates).map_err(|e| Refusal::Bug(e.into()));
    let candidates = new.iter().map(|(_, decision, _)| json(decision)).collect::<Result<Vec<_>, _>>()?;
    let int = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
    // Raw: as many rows as there are, in one text that is prepared once.
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
    .bind::<Array<SqlUuid>, _>(new.iter().map(|(id, ..)| *id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(new.iter().map(|(_, d, _)| d.delivery).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(new.iter().map(|(_, d, _)| d.outcome.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(new.iter().map(|(_, d, _)| d.outcome.reason()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Timestamptz>>, _>(new.iter().map(|(_, d, _)| until(d)).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(candidates)
    .bind::<Array<Integer>, _>(new.iter().map(|(_, d, _)| int(u64::from(d.left_out))).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(new.iter().map(|(.., made)| made.policy.as_str()).collect::<Vec<_>>())
    // The same 64 bits.
    .bind::<Array<BigInt>, _>(new.iter().map(|(.., made)| made.seed.cast_signed()).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(new.iter().map(|(.., made)| int(u64::from(made.steps))).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(new.iter().map(|(.., made)| int(made.took_ms)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(new.iter().map(|(.., made)| made.fallback).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(new.iter().map(|(.., made)| made.planned_rider).collect::<Vec<_>>())
    .prepared()
    .execute(conn)
    .await?;
    Ok(())
}

/// Why a rider is asked by a decision, in a sentence for them: nothing about anybody else.
#[must_use]
pub fn why(decision: &Decision, now: DateTime<Utc>, rider: RiderId) -> Option<String> {
    let round = explain::Round {
        at_ms: now.timestamp_millis(),
        reason: decision.outcome.reason(),
        until_ms: until(decision).map(|at| at.timestamp_millis()),
        asked: &[rider],
        candidates: &decision.candidates,
        left_out: decision.left_out,
    };
    explain::for_rider(&round, rider)
}

/// What is remembered of a round that was just written.
#[must_use]
pub fn last(decision: &Decision, made: &Made, now: DateTime<Utc>) -> Last {
    Last {
        delivery_id: decision.delivery,
        at: now,
        outcome: decision.outcome.as_str().to_owned(),
        reason: decision.outcome.reason().map(str::to_owned),
        until_at: until(decision),
        planned_rider_id: made.planned_rider,
    }
}

/// The newest round of each of these deliveries.
///
/// # Errors
/// What the database says.
pub async fn newest(conn: &mut Conn, deliveries: &[DeliveryId]) -> Result<Vec<Last>, Refusal> {
    // Raw: a lateral join reads one row of each delivery by an index.
    Ok(diesel::sql_query(
        "SELECT d.id AS delivery_id, r.at, r.outcome, r.reason, r.until_at, r.planned_rider_id
         FROM unnest($1) AS d(id)
         CROSS JOIN LATERAL (SELECT * FROM rounds WHERE delivery_id = d.id ORDER BY id DESC LIMIT 1) r",
    )
    .bind::<Array<SqlUuid>, _>(deliveries)
    .prepared()
    .load(conn)
    .await?)
}

/// A page of a delivery's rounds, oldest first.
///
/// # Errors
/// What the database says.
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
