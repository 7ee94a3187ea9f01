//! Deliveries, for operations: their history, and the decisions about them.

use actix_web::web::{Data, Json, Path, Query};
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use pannier_contracts::delivery::DeliverySnapshot;
use pannier_contracts::event::Snapshot as _;
use pannier_contracts::offer::OfferSnapshot;
use pannier_contracts::{DeliveryId, OfferId, OrderId, RiderId, RoundId, Version};
use pannier_engine::{Candidate, Gate, Terms, explain};
use pannier_platform::Db;
use pannier_platform::event_log::{LoggedEvent, timeline};
use pannier_platform::http::events::{Events, events_of};
use pannier_platform::http::{Ops, Page, PageQuery, Problem};
use serde::Serialize;

use super::requests::OpenQuery;
use super::views::DeliveryView;
use crate::store;
use crate::store::deliveries::ListFilter;

/// All deliveries, oldest first.
pub async fn list(
    _who: Ops,
    db: Data<Db>,
    page: Query<PageQuery>,
    query: Query<OpenQuery>,
) -> Result<Json<Page<DeliveryView>>, Problem> {
    let (limit, after) = (page.limit()?, page.after()?);
    let filter = ListFilter { rider: None, open: query.open };
    let rows = db.read(move |conn| store::deliveries::page(conn, filter, after, limit + 1).boxed()).await?;
    Ok(Json(Page::of(rows, limit, |d| d.id.0).map(|d| DeliveryView::for_ops(&d))))
}

/// Every event of the delivery of an order, and of its offers.
pub async fn events(_who: Ops, db: Data<Db>, id: Path<OrderId>) -> Result<Events, Problem> {
    let id = id.into_inner();
    let read = db.read(move |conn| {
        async move {
            let delivery = store::deliveries::id_of_order(conn, id).await?;
            let offers = store::offers::of_delivery(conn, delivery).await?;
            let offers = offers.iter().map(|offer| (OfferSnapshot::AGGREGATE, offer.id.0));
            let of: Vec<_> = offers.chain([(DeliverySnapshot::AGGREGATE, delivery.0)]).collect();
            events_of(conn, &of).await
        }
        .boxed()
    });
    Ok(Json(read.await?))
}

/// A delivery with its history.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryHistory {
    #[serde(flatten)]
    delivery: DeliveryView,
    offers: Vec<OfferEntry>,
    events: Vec<EventEntry>,
}

/// An offer in a delivery's history.
#[derive(Debug, Clone, Serialize)]
pub struct OfferEntry {
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

impl From<store::Offer> for OfferEntry {
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

/// An event in a delivery's history.
#[derive(Debug, Clone, Serialize)]
pub struct EventEntry {
    #[serde(rename = "type")]
    kind: String,
    version: Version,
    occurred_at: DateTime<Utc>,
    actor: String,
    state: serde_json::Value,
}

impl From<LoggedEvent> for EventEntry {
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

/// One delivery with its history.
pub async fn get(_who: Ops, db: Data<Db>, id: Path<DeliveryId>) -> Result<Json<DeliveryHistory>, Problem> {
    let id = id.into_inner();
    let history = db
        .read(move |conn| {
            async move {
                let delivery = store::deliveries::load(conn, id).await?;
                let offers = store::offers::of_delivery(conn, id).await?;
                let events = timeline(conn, "delivery", id.0).await?;
                Ok(DeliveryHistory {
                    delivery: DeliveryView::for_ops(&delivery),
                    offers: offers.into_iter().map(OfferEntry::from).collect(),
                    events: events.into_iter().map(EventEntry::from).collect(),
                })
            }
            .boxed()
        })
        .await?;
    Ok(Json(history))
}

/// One decision about a delivery, with its candidates.
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
    /// A round as operations see it; `asked` are the riders of its offers.
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

/// A rider who was considered in a round.
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

/// The rounds of a delivery, oldest first.
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
