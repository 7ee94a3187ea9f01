//! Rounds: what the dispatcher saw when it looked at a delivery, and what it decided.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::{DeliveryId, RiderId, RoundId};
use pannier_engine::{Candidate, Decision, Kind, Outcome, POLICY_VERSION, explain};
use pannier_platform::{Conn, Refusal};
use uuid::Uuid;

use super::json::Json;
use super::offers::Offer;
use super::schema::rounds;

/// A round.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = rounds)]
pub struct Round {
    /// Which round.
    #[diesel(deserialize_as = Uuid)]
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
    pub fallback: Option<String>,
    /// Who is to carry it as things stand.
    pub planned_rider_id: Option<Uuid>,
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
    pub policy: Kind,
    /// Where the search's dice started.
    pub seed: u64,
    /// Steps of the search.
    pub steps: u32,
    /// From the question to the answer, milliseconds.
    pub took_ms: u64,
    /// Why `greedy` decided where `horizon` was asked.
    pub fallback: Option<&'static str>,
    /// Who is to carry the round's delivery as things stand.
    pub planned_rider: Option<RiderId>,
}

/// What is remembered of the newest round of a delivery.
#[derive(Debug, Clone, QueryableByName)]
pub struct Last {
    /// Of which delivery.
    #[diesel(sql_type = SqlUuid)]
    pub delivery_id: Uuid,
    /// When.
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    /// `offer`, `hold`, `nobody`.
    #[diesel(sql_type = Text)]
    pub outcome: String,
    /// Why.
    #[diesel(sql_type = Nullable<Text>)]
    pub reason: Option<String>,
    /// When a hold is looked at again.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub until_at: Option<DateTime<Utc>>,
    /// Who was to carry it.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub planned_rider_id: Option<Uuid>,
}

/// Until when a decision holds, if it is a hold.
#[must_use]
pub fn until(decision: &Decision) -> Option<DateTime<Utc>> {
    match decision.outcome {
        Outcome::Hold { until_ms, .. } => DateTime::from_timestamp_millis(until_ms),
        _ => None,
    }
}

/// Writes a round.
///
/// # Errors
/// What the database says.
pub async fn insert(conn: &mut Conn, decision: &Decision, made: &Made, now: DateTime<Utc>) -> Result<RoundId, Refusal> {
    let id = RoundId::generate();
    diesel::insert_into(rounds::table)
        .values((
            rounds::id.eq(id.0),
            rounds::delivery_id.eq(decision.delivery.0),
            rounds::at.eq(now),
            rounds::outcome.eq(decision.outcome.as_str()),
            rounds::reason.eq(decision.outcome.reason()),
            rounds::until_at.eq(until(decision)),
            rounds::policy_version.eq(i32::try_from(POLICY_VERSION).unwrap_or(i32::MAX)),
            rounds::candidates.eq(Json(decision.candidates.clone())),
            rounds::left_out.eq(i32::try_from(decision.left_out).unwrap_or(i32::MAX)),
            rounds::policy.eq(made.policy.as_str()),
            // The same 64 bits.
            rounds::seed.eq(made.seed.cast_signed()),
            rounds::steps.eq(i32::try_from(made.steps).unwrap_or(i32::MAX)),
            rounds::took_ms.eq(i32::try_from(made.took_ms).unwrap_or(i32::MAX)),
            rounds::fallback.eq(made.fallback),
            rounds::planned_rider_id.eq(made.planned_rider.map(|rider| rider.0)),
        ))
        .execute(conn)
        .await?;
    Ok(id)
}

/// The newest round of each of these deliveries.
///
/// # Errors
/// What the database says.
pub async fn newest(conn: &mut Conn, deliveries: &[Uuid]) -> Result<Vec<Last>, Refusal> {
    Ok(diesel::sql_query(
        "SELECT d.id AS delivery_id, r.at, r.outcome, r.reason, r.until_at, r.planned_rider_id
         FROM unnest($1) AS d(id)
         CROSS JOIN LATERAL (SELECT * FROM rounds WHERE delivery_id = d.id ORDER BY id DESC LIMIT 1) r",
    )
    .bind::<Array<SqlUuid>, _>(deliveries)
    .load(conn)
    .await?)
}

/// Why a rider is asked, for themselves: nothing about anybody else. `None` where their round does not say.
///
/// # Errors
/// What the database says.
pub async fn why(conn: &mut Conn, offer: &Offer) -> Result<Option<String>, Refusal> {
    let round: Option<Round> =
        rounds::table.find(offer.round_id.0).select(Round::as_select()).first(conn).await.optional()?;
    Ok(round.and_then(|round| explain::for_rider(&round.explained(&[offer.rider_id]), offer.rider_id)))
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
        .filter(rounds::delivery_id.eq(delivery.0))
        .filter(rounds::id.gt(after.unwrap_or(Uuid::nil())))
        .order(rounds::id)
        .limit(limit)
        .select(Round::as_select())
        .load(conn)
        .await?)
}
