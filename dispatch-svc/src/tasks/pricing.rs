//! Asks the engine about the riders for one delivery, because a person is about to choose one. Any process can: it needs no
//! zone's lease, and starts from no earlier plan.

use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use pannier_contracts::{DeliveryId, RiderId};
use pannier_engine::{self as engine, Candidate, Gate};
use pannier_platform::{Db, Refusal};

use super::city::{CityCache, CityView, EngineInput};
use super::dispatcher::engine_policy;
use super::recent_orders::RecentOrders;
use crate::commands::assign::Priced;
use crate::domain::lifecycle::is_unassigned;
use crate::fleet::Fleet;
use crate::store;
use crate::store::rounds::PlanMetadata;

/// Prices riders for one delivery.
#[derive(Debug)]
pub struct Pricing {
    db: Db,
    fleet: Fleet,
    city: Arc<CityCache>,
}

impl Pricing {
    /// Prices riders of this city.
    #[must_use]
    pub const fn new(db: Db, fleet: Fleet, city: Arc<CityCache>) -> Self {
        Self { db, fleet, city }
    }

    /// The riders for a delivery, as the dispatcher of its zone would see them now, and `also`, wherever they are. A rider at
    /// capacity is behind a gate here, though a plan may keep a delivery for them. None when the delivery has a rider, has
    /// ended or does not exist.
    ///
    /// # Errors
    /// [`Refusal::Away`] or [`Refusal::Bug`] from the database; [`Refusal::Bug`] when the engine panics.
    pub async fn price(&self, id: DeliveryId, also: Option<RiderId>) -> Result<Option<Priced>, Refusal> {
        let row = self.db.read(move |conn| async move { store::deliveries::by_ids(conn, &[id]).await }.boxed()).await?;
        if !row.first().is_some_and(|delivery| is_unassigned(delivery.state)) {
            return Ok(None);
        }
        let view = self.view_with(id).await?;
        let Some(zone) = view.delivery(id).map(|delivery| delivery.zone_id.clone()) else { return Ok(None) };
        let recent = RecentOrders::read(&self.db).await?;
        let policy = view.policy(&zone);
        let Some(input) = view.snapshot(&self.fleet, &zone, &policy, &recent, also).await else { return Ok(None) };
        let also = also.map(|rider| (rider, view.is_on_shift(rider)));
        // While a view exists, changes of the city would copy all of it.
        drop(view);
        let EngineInput { snapshot, has_exact_positions } = input;
        if !has_exact_positions {
            self.city.require_positions();
        }
        let policy = engine_policy(&policy);
        let (algorithm, seed) = (policy.algorithm, policy.seed);
        let began = Instant::now();
        // On a thread of its own: pricing would block the runtime's.
        let priced = tokio::task::spawn_blocking(move || {
            let candidates = engine::candidates(&snapshot, &policy, id);
            close_full(candidates, &snapshot)
        });
        let mut candidates =
            priced.await.map_err(|e| Refusal::Bug(anyhow::Error::new(e).context("pricing panicked")))?;
        if let Some((rider, is_on_shift)) = also
            && candidates.iter().all(|c| c.rider != rider)
        {
            // On shift, and not in the snapshot: nobody knows where they are.
            let gate = Some(if is_on_shift { Gate::Stale } else { Gate::NotAvailable });
            candidates.push(Candidate { rider, gate, cost: None, terms: None });
        }
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let plan = PlanMetadata { policy: algorithm, seed, steps: 0, took_ms, fallback: None };
        Ok(Some(Priced { candidates, plan }))
    }

    /// The city with this delivery, which has no rider: read anew when memory is behind the table.
    async fn view_with(&self, id: DeliveryId) -> Result<CityView, Refusal> {
        let view = self.city.view().await?;
        if view.delivery(id).is_some() {
            return Ok(view);
        }
        drop(view);
        self.city.require_full_read();
        self.city.view().await
    }
}

/// Puts riders at capacity behind a gate, after those who have room.
fn close_full(mut candidates: Vec<Candidate>, snapshot: &engine::Snapshot) -> Vec<Candidate> {
    let is_full = |rider: RiderId| snapshot.riders.iter().any(|r| r.id == rider && r.load >= r.capacity);
    for candidate in candidates.iter_mut().filter(|c| c.gate.is_none()) {
        candidate.gate = is_full(candidate.rider).then_some(Gate::NoCapacity);
    }
    candidates.sort_by_key(|c| c.gate.is_some());
    candidates
}
