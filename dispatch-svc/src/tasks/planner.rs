//! Asks the engine for plans, within a time budget. The plan itself reads no clock: wall time only limits the steps of the
//! next search, or discards a plan that comes too late, and then `greedy` decides that tick (ADR 0018).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use pannier_contracts::zone::DispatchAlgorithm;
use pannier_contracts::{DeliveryId, RiderId, ZoneId};
use pannier_engine::{self as engine, Plan, Policy, Route, Snapshot};
use pannier_platform::Metrics;
use tokio::task::JoinHandle;

use super::plan_meter::PlanMeter;
use super::planning_stats::{PlanningStats, ZoneStats};
use crate::store::rounds::{Fallback, PlanMetadata};

/// A plan that takes longer than this many budgets is discarded.
const LATE_AFTER_BUDGETS: u32 = 4;
/// A search may always take so many steps.
const FEWEST_STEPS: u32 = 16;

/// A plan, and how it was made.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The plan.
    pub plan: Plan,
    /// From the question to the answer.
    pub took: Duration,
    /// Why `greedy` decided where `horizon` was asked.
    pub fallback: Option<Fallback>,
}

impl Answer {
    /// The rider who is to carry each delivery by the plan.
    #[must_use]
    pub fn carriers(&self) -> HashMap<DeliveryId, RiderId> {
        let of_route = |route: &engine::PlannedRoute| {
            let rider = route.rider;
            route.trips.iter().flat_map(|t| t.trip.deliveries.clone()).map(move |d| (d, rider)).collect::<Vec<_>>()
        };
        self.plan.routes.iter().flat_map(of_route).collect()
    }

    /// What its rounds keep of how it was made.
    #[must_use]
    pub fn metadata(&self) -> PlanMetadata {
        PlanMetadata {
            policy: self.plan.report.algorithm,
            seed: self.plan.report.seed,
            steps: self.plan.report.steps,
            took_ms: u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            fallback: self.fallback,
        }
    }
}

/// What is kept of a zone between ticks. Losing it only costs quality.
#[derive(Debug, Default)]
struct Memory {
    /// The routes of the last plan: the next search starts from them.
    previous: Vec<Route>,
    /// A limit of the next search, after a plan that took too long.
    steps_most: Option<u32>,
    /// A discarded plan that is still being made.
    late: Option<JoinHandle<Plan>>,
    stats: PlanningStats,
}

/// What `horizon` answered, or who answered for it.
struct Attempt {
    plan: Plan,
    fallback: Option<Fallback>,
    /// The discarded plan, while it is still being made.
    late: Option<JoinHandle<Plan>>,
}

type Engine = Arc<dyn Fn(&Snapshot, &Policy) -> Plan + Send + Sync>;

/// Asks the engine for plans, within a time budget.
pub struct Planner {
    budget: Duration,
    engine: Engine,
    meter: PlanMeter,
    /// By zone. Never locked across an await.
    memory: Mutex<HashMap<ZoneId, Memory>>,
}

impl std::fmt::Debug for Planner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planner").field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl Planner {
    /// A planner that gives each plan of a zone this time.
    #[must_use]
    pub fn new(budget: Duration, metrics: &Metrics) -> Self {
        Self::with(budget, Arc::new(engine::plan), metrics)
    }

    fn with(budget: Duration, engine: Engine, metrics: &Metrics) -> Self {
        Self { budget, engine, meter: PlanMeter::new(metrics), memory: Mutex::default() }
    }

    fn memory(&self) -> MutexGuard<'_, HashMap<ZoneId, Memory>> {
        // No change of the memory can panic half way.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans a zone. Fills in the snapshot's `previous` and limits the policy's steps.
    pub async fn plan(&self, zone: &ZoneId, mut snapshot: Snapshot, mut policy: Policy, now: DateTime<Utc>) -> Answer {
        let started = Instant::now();
        let is_busy = {
            let mut memory = self.memory();
            let zone = memory.entry(zone.clone()).or_default();
            zone.late = zone.late.take().filter(|late| !late.is_finished());
            snapshot.previous = std::mem::take(&mut zone.previous);
            if let Some(most) = zone.steps_most {
                policy.horizon.steps_most = policy.horizon.steps_most.min(most);
            }
            zone.late.is_some()
        };
        let steps_most = policy.horizon.steps_most;
        let steps = steps_of(&snapshot, &policy);
        let (snapshot, policy) = (Arc::new(snapshot), Arc::new(policy));
        let Attempt { plan, fallback, late } = match policy.algorithm {
            DispatchAlgorithm::Greedy => self.greedy(&snapshot, &policy, None).await,
            DispatchAlgorithm::Horizon if is_busy => {
                self.greedy(&snapshot, &policy, Some(Fallback::StillPlanning)).await
            }
            DispatchAlgorithm::Horizon => self.horizon(&snapshot, &policy).await,
        };
        let took = started.elapsed();
        let answer = Answer { plan, took, fallback };
        let is_horizon = policy.algorithm == DispatchAlgorithm::Horizon;
        let is_overrun = is_horizon && !is_busy && took > self.budget;
        let previous = if is_horizon && fallback.is_none() {
            answer.plan.routes.iter().map(engine::PlannedRoute::route).collect()
        } else {
            // The plan before is still the best start.
            Arc::try_unwrap(snapshot).map_or_else(|shared| shared.previous.clone(), |own| own.previous)
        };
        let mut memory = self.memory();
        let memory = memory.entry(zone.clone()).or_default();
        memory.previous = previous;
        memory.late = late.or(memory.late.take());
        if is_overrun {
            memory.steps_most = Some((steps / 2).max(FEWEST_STEPS));
            tracing::warn!(zone.id = %zone, steps, ?took, "A plan of zone {zone} took too long; it gets fewer steps");
        } else if took * 2 < self.budget && !is_busy {
            memory.steps_most = recovered(memory.steps_most);
        }
        memory.stats.add(now, answer.metadata(), steps_most, is_overrun);
        self.meter.count(&answer);
        answer
    }

    /// The statistics of all zones that were planned here, by zone.
    #[must_use]
    pub fn zones(&self) -> Vec<ZoneStats> {
        let memory = self.memory();
        let mut zones: Vec<_> = memory.iter().filter_map(|(zone, m)| m.stats.summary(zone)).collect();
        zones.sort_by(|a, b| a.zone_id.cmp(&b.zone_id));
        zones
    }

    async fn horizon(&self, snapshot: &Arc<Snapshot>, policy: &Arc<Policy>) -> Attempt {
        let mut planning = self.spawn(snapshot, policy);
        match tokio::time::timeout(self.budget * LATE_AFTER_BUDGETS, &mut planning).await {
            Ok(Ok(plan)) => Attempt { plan, fallback: None, late: None },
            Ok(Err(failure)) => {
                tracing::error!(error = %failure, "horizon failed; greedy decides");
                self.greedy(snapshot, policy, Some(Fallback::Failed)).await
            }
            // It cannot be cancelled. Until it ends, no other one is started.
            Err(_) => {
                let greedy = self.greedy(snapshot, policy, Some(Fallback::Late)).await;
                Attempt { late: Some(planning), ..greedy }
            }
        }
    }

    async fn greedy(&self, snapshot: &Arc<Snapshot>, policy: &Arc<Policy>, fallback: Option<Fallback>) -> Attempt {
        let policy = Arc::new(Policy { algorithm: DispatchAlgorithm::Greedy, ..Policy::clone(policy) });
        let plan = self.spawn(snapshot, &policy).await.unwrap_or_else(|failure| {
            tracing::error!(error = %failure, "greedy failed; nothing is decided until the next tick");
            let report = engine::PlanReport::greedy(policy.seed);
            Plan { decisions: Vec::new(), routes: Vec::new(), moves: Vec::new(), report }
        });
        Attempt { plan, fallback, late: None }
    }

    /// Plans on a thread of its own: planning would block the runtime's.
    fn spawn(&self, snapshot: &Arc<Snapshot>, policy: &Arc<Policy>) -> JoinHandle<Plan> {
        let (engine, snapshot, policy) = (Arc::clone(&self.engine), Arc::clone(snapshot), Arc::clone(policy));
        tokio::task::spawn_blocking(move || engine(&snapshot, &policy))
    }
}

/// The most steps that the search may take: an overrun halves them.
fn steps_of(snapshot: &Snapshot, policy: &Policy) -> u32 {
    let deliveries = u32::try_from(snapshot.deliveries.len()).unwrap_or(u32::MAX);
    deliveries.saturating_mul(policy.horizon.steps_per_delivery).min(policy.horizon.steps_most)
}

/// Raises a limit by a sixteenth, and removes it when it has reached the default policy's.
fn recovered(steps_most: Option<u32>) -> Option<u32> {
    steps_most.map(|most| most + most / 16 + 1).filter(|most| *most < engine::Horizon::default().steps_most)
}

#[cfg(test)]
mod tests;
