//! Deliveries, for operations: what became of them, why, and giving them to somebody else.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use pannier_contracts::{DeliveryId, OfferId, RiderId, RoundId, Version};
use pannier_engine::{Candidate, Gate, Terms, explain};
use pannier_platform::Db;
use pannier_platform::event_log::{LoggedEvent, timeline};
use pannier_platform::http::{Command, Ops, Page, PageQuery, Problem};
use serde::{Deserialize, Serialize};

use super::OpenQuery;
use super::views::DeliveryView;
use crate::commands;
use crate::store;
use crate::store::deliveries::Shown;

/// All deliveries, oldest first.
///
/// # Errors
/// As a problem.
pub async fn list(
    _who: Ops,
    db: Data<Db>,
    page: Query<PageQuery>,
    shown: Query<OpenQuery>,
) -> Result<Json<Page<DeliveryView>>, Problem> {
    let (limit, after) = (page.limit()?, page.after()?);
    let shown = Shown { rider: None, open: shown.open };
    let rows = db.read(move |conn| store::deliveries::page(conn, shown, after, limit + 1).boxed()).await?;
    Ok(Json(Page::of(rows, limit, |d| d.id.0).map(|d| DeliveryView::for_ops(&d))))
}

/// A delivery with its whole story.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    #[serde(flatten)]
    delivery: DeliveryView,
    offers: Vec<ToldOffer>,
    events: Vec<ToldEvent>,
}

/// Who was asked, and what they said.
#[derive(Debug, Clone, Serialize)]
pub struct ToldOffer {
    id: OfferId,
    version: Version,
    state: &'static str,
    rider_id: RiderId,
    attempt: i32,
    sent_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    accepted_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    reason: Option<String>,
}

impl From<store::Offer> for ToldOffer {
    fn from(o: store::Offer) -> Self {
        Self {
            id: o.id,
            version: o.version,
            state: o.state.as_str(),
            rider_id: o.rider_id,
            attempt: o.attempt,
            sent_at: o.sent_at,
            expires_at: o.expires_at,
            accepted_at: o.accepted_at,
            ended_at: o.ended_at,
            reason: o.reason,
        }
    }
}

/// One line of its timeline.
#[derive(Debug, Clone, Serialize)]
pub struct ToldEvent {
    #[serde(rename = "type")]
    kind: String,
    version: Version,
    occurred_at: DateTime<Utc>,
    actor: String,
    state: serde_json::Value,
}

impl From<LoggedEvent> for ToldEvent {
    fn from(e: LoggedEvent) -> Self {
        Self {
            state: e.state().unwrap_or_default(),
            kind: e.kind,
            version: Version(e.version),
            occurred_at: e.occurred_at,
            actor: e.actor,
        }
    }
}

/// One delivery.
///
/// # Errors
/// As a problem.
pub async fn get(_who: Ops, db: Data<Db>, id: Path<DeliveryId>) -> Result<Json<Told>, Problem> {
    let id = id.into_inner();
    let told = db
        .read(move |conn| {
            async move {
                let delivery = store::deliveries::load(conn, id).await?;
                let offers = store::offers::of_delivery(conn, id).await?;
                let events = timeline(conn, "delivery", id.0).await?;
                Ok(Told {
                    delivery: DeliveryView::for_ops(&delivery),
                    offers: offers.into_iter().map(ToldOffer::from).collect(),
                    events: events.into_iter().map(ToldEvent::from).collect(),
                })
            }
            .boxed()
        })
        .await?;
    Ok(Json(told))
}

/// One look of the dispatcher.
#[derive(Debug, Clone, Serialize)]
pub struct RoundView {
    id: RoundId,
    at: DateTime<Utc>,
    outcome: String,
    reason: Option<String>,
    until_at: Option<DateTime<Utc>>,
    policy_version: i32,
    policy: String,
    seed: u64,
    steps: i32,
    took_ms: i32,
    fallback: Option<store::rounds::Fallback>,
    planned_rider_id: Option<RiderId>,
    candidates: Vec<CandidateView>,
    left_out: i32,
    sentences: Vec<String>,
}

impl RoundView {
    /// A round, and the riders of its offers.
    fn of(r: store::rounds::Round, asked: &[RiderId]) -> Self {
        Self {
            sentences: explain::for_ops(&r.explained(asked)),
            id: r.id,
            at: r.at,
            outcome: r.outcome,
            reason: r.reason,
            until_at: r.until_at,
            policy_version: r.policy_version,
            policy: r.policy,
            seed: r.seed.cast_unsigned(),
            steps: r.steps,
            took_ms: r.took_ms,
            fallback: r.fallback,
            planned_rider_id: r.planned_rider_id,
            candidates: r.candidates.0.into_iter().map(CandidateView::from).collect(),
            left_out: r.left_out,
        }
    }
}

/// One rider in it.
#[derive(Debug, Clone, Serialize)]
pub struct CandidateView {
    rider_id: RiderId,
    gate: Option<Gate>,
    terms: Option<Terms>,
    cost: Option<i64>,
}

impl From<Candidate> for CandidateView {
    fn from(c: Candidate) -> Self {
        Self { rider_id: c.rider, gate: c.gate, terms: c.terms, cost: c.cost }
    }
}

/// Why: the dispatcher's looks at a delivery, oldest first.
///
/// # Errors
/// As a problem.
pub async fn rounds(
    _who: Ops,
    db: Data<Db>,
    id: Path<DeliveryId>,
    page: Query<PageQuery>,
) -> Result<Json<Page<RoundView>>, Problem> {
    let (id, limit, after) = (id.into_inner(), page.limit()?, page.after()?);
    let (rows, offers) = db
        .read(move |conn| {
            async move {
                store::deliveries::load(conn, id).await?;
                let rounds = store::rounds::page(conn, id, after, limit + 1).await?;
                Ok((rounds, store::offers::of_delivery(conn, id).await?))
            }
            .boxed()
        })
        .await?;
    let asked = |round: RoundId| offers.iter().filter(|o| o.round_id == round).map(|o| o.rider_id).collect::<Vec<_>>();
    Ok(Json(Page::of(rows, limit, |r| r.id.0).map(|r| {
        let asked = asked(r.id);
        RoundView::of(r, &asked)
    })))
}

/// `POST /v1/ops/deliveries/{id}/reassign`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reassign {
    reason: String,
}

/// Takes it from its rider.
///
/// # Errors
/// As a problem: 412 when it has changed, 409 from pickup on.
pub async fn reassign(
    _who: Ops,
    db: Data<Db>,
    id: Path<DeliveryId>,
    cmd: Command<Reassign>,
) -> Result<HttpResponse, Problem> {
    let (id, seen) = (id.into_inner(), cmd.version_seen()?);
    cmd.once(&db, move |conn, cmd| {
        async move {
            let delivery = commands::reassign::reassign(conn, &cmd.cause, id, Some(seen), &cmd.body.reason).await?;
            Ok(DeliveryView::for_ops(&delivery))
        }
        .boxed()
    })
    .await
}
