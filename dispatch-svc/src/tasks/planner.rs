//! Asks the engine in time. The plan itself knows no clock: wall time only picks the step budget before the call, or
//! drops a late answer, and then `greedy` decides for that tick. What was picked and why is part of the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use pannier_contracts::zone::DispatchAlgorithm;
use pannier_contracts::{DeliveryId, RiderId, ZoneId};
use pannier_engine::{self as engine, Plan, Policy, Route, Snapshot};
use tokio::task::JoinHandle;

use super::ticks::{Ticks, ZoneTicks};
use crate::store::rounds::{Fallback, Made};

/// An answer later than so many budgets is dropped.
const LATE: u32 = 4;
/// A budget is never smaller than so many steps.
const FEWEST_STEPS: u32 = 16;

/// A plan, and how it came about.
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
    /// Who is to carry what as things stand.
    #[must_use]
    pub fn carriers(&self) -> HashMap<DeliveryId, RiderId> {
        let of_route = |route: &engine::PlannedRoute| {
            let rider = route.rider;
            route.trips.iter().flat_map(|t| t.trip.deliveries.clone()).map(move |d| (d, rider)).collect::<Vec<_>>()
        };
        self.plan.routes.iter().flat_map(of_route).collect()
    }

    /// What all of its rounds say of it.
    #[must_use]
    pub fn made(&self) -> Made {
        Made {
            policy: self.plan.report.algorithm,
            seed: self.plan.report.seed,
            steps: self.plan.report.steps,
            took_ms: u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            fallback: self.fallback,
            planned_rider: None,
        }
    }
}

/// What is kept of a zone between ticks. Losing it costs only quality.
#[derive(Debug, Default)]
struct Memory {
    /// The routes of the last plan: the next search starts from them.
    previous: Vec<Route>,
    /// The most steps of the next plan, after one took too long.
    steps_most: Option<u32>,
    /// A plan that is late and still being made.
    late: Option<JoinHandle<Plan>>,
    ticks: Ticks,
}

type Engine = Arc<dyn Fn(&Snapshot, &Policy) -> Plan + Send + Sync>;

/// Asks the engine in time.
pub struct Planner {
    budget: Duration,
    engine: Engine,
    /// By zone. Locked for moments, never while waiting.
    memory: Mutex<HashMap<ZoneId, Memory>>,
}

impl std::fmt::Debug for Planner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planner").field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl Planner {
    /// One that gives each plan of a zone so long.
    #[must_use]
    pub fn new(budget: Duration) -> Self {
        Self::with(budget, Arc::new(engine::plan))
    }

    fn with(budget: Duration, engine: Engine) -> Self {
        Self { budget, engine, memory: Mutex::default() }
    }

    fn memory(&self) -> MutexGuard<'_, HashMap<ZoneId, Memory>> {
        // Nobody panics in the middle of a change.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides about a snapshot of a zone; its `previous` and the policy's step budget are filled in.
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
        let (plan, fallback, late) = match policy.algorithm {
            DispatchAlgorithm::Greedy => (self.greedy(&snapshot, &policy).await, None, None),
            DispatchAlgorithm::Horizon if is_busy => {
                (self.greedy(&snapshot, &policy).await, Some(Fallback::StillPlanning), None)
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
            // What was planned before is still the best start.
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
        memory.ticks.note(now, &answer, steps_most, is_overrun);
        answer
    }

    /// How it went, zone by zone.
    #[must_use]
    pub fn zones(&self) -> Vec<ZoneTicks> {
        let memory = self.memory();
        let mut zones: Vec<_> = memory.iter().filter_map(|(zone, m)| m.ticks.told(zone)).collect();
        zones.sort_by(|a, b| a.zone_id.cmp(&b.zone_id));
        zones
    }

    async fn horizon(
        &self,
        snapshot: &Arc<Snapshot>,
        policy: &Arc<Policy>,
    ) -> (Plan, Option<Fallback>, Option<JoinHandle<Plan>>) {
        let mut planning = self.spawn(snapshot, policy);
        match tokio::time::timeout(self.budget * LATE, &mut planning).await {
            Ok(Ok(plan)) => (plan, None, None),
            Ok(Err(failure)) => {
                tracing::error!(error = %failure, "horizon failed; greedy decides");
                (self.greedy(snapshot, policy).await, Some(Fallback::Failed), None)
            }
            // It cannot be stopped; it is waited for before another one begins.
            Err(_) => (self.greedy(snapshot, policy).await, Some(Fallback::Late), Some(planning)),
        }
    }

    async fn greedy(&self, snapshot: &Arc<Snapshot>, policy: &Arc<Policy>) -> Plan {
        let policy = Arc::new(Policy { algorithm: DispatchAlgorithm::Greedy, ..Policy::clone(policy) });
        match self.spawn(snapshot, &policy).await {
            Ok(plan) => plan,
            // Nothing is decided; the next tick tries again.
            Err(failure) => {
                tracing::error!(error = %failure, "greedy failed; nothing is decided");
                let report = engine::PlanReport::greedy(policy.seed);
                Plan { decisions: Vec::new(), routes: Vec::new(), moves: Vec::new(), report }
            }
        }
    }

    /// Planning keeps a core busy, and this one has other work.
    fn spawn(&self, snapshot: &Arc<Snapshot>, policy: &Arc<Policy>) -> JoinHandle<Plan> {
        let (engine, snapshot, policy) = (Arc::clone(&self.engine), Arc::clone(snapshot), Arc::clone(policy));
        tokio::task::spawn_blocking(move || engine(&snapshot, &policy))
    }
}

/// How many steps the search may take at most: what an overrun halves.
fn steps_of(snapshot: &Snapshot, policy: &Policy) -> u32 {
    let deliveries = u32::try_from(snapshot.deliveries.len()).unwrap_or(u32::MAX);
    deliveries.saturating_mul(policy.horizon.steps_per_delivery).min(policy.horizon.steps_most)
}

/// A little more; no limit of its own any more once the policy's is the smaller one for sure.
fn recovered(steps_most: Option<u32>) -> Option<u32> {
    steps_most.map(|most| most + most / 16 + 1).filter(|most| *most < engine::Horizon::default().steps_most)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;

    use super::*;

    fn zone() -> ZoneId {
        "test".parse().unwrap()
    }

    /// Remembers the step budgets it was given; `horizon` waits for a word before it answers.
    fn slow(budget: Duration) -> (Planner, mpsc::Sender<()>, Arc<AtomicU32>) {
        let (go, wait) = mpsc::channel();
        let (wait, budgets) = (Mutex::new(wait), Arc::new(AtomicU32::new(0)));
        let seen = Arc::clone(&budgets);
        let engine: Engine = Arc::new(move |snapshot, policy| {
            if policy.algorithm == DispatchAlgorithm::Horizon {
                seen.store(policy.horizon.steps_most, Ordering::SeqCst);
                let _ = wait.lock().unwrap().recv();
            }
            engine::plan(snapshot, policy)
        });
        (Planner::with(budget, engine), go, budgets)
    }

    async fn ask(planner: &Planner) -> Answer {
        planner.plan(&zone(), Snapshot::default(), Policy::default(), Utc::now()).await
    }

    #[tokio::test]
    async fn a_late_answer_is_dropped_and_greedy_decides() {
        let (planner, go, budgets) = slow(Duration::from_millis(1));
        let first = ask(&planner).await;
        assert_eq!((first.plan.report.algorithm, first.fallback), (DispatchAlgorithm::Greedy, Some(Fallback::Late)));
        assert_eq!(first.made().fallback, Some(Fallback::Late));
        // It is still at it: no second one begins.
        let second = ask(&planner).await;
        assert_eq!(
            (second.plan.report.algorithm, second.fallback),
            (DispatchAlgorithm::Greedy, Some(Fallback::StillPlanning))
        );
        let told = planner.zones().remove(0);
        assert_eq!((told.ticks, told.overruns, told.fallbacks, told.policy), (2, 1, 2, DispatchAlgorithm::Greedy));
        assert_eq!(told.last_fallback, Some(Fallback::StillPlanning));

        // Let go, it is asked again, with fewer steps.
        drop(go);
        pannier_testkit::eventually("horizon decides again", || async {
            (ask(&planner).await.fallback != Some(Fallback::StillPlanning)).then_some(())
        })
        .await;
        assert!(budgets.load(Ordering::SeqCst) < Policy::default().horizon.steps_most);
    }

    #[tokio::test]
    async fn in_time_nothing_is_taken_away() {
        let (planner, go, budgets) = slow(Duration::from_secs(60));
        drop(go);
        let answer = ask(&planner).await;
        assert_eq!((answer.plan.report.algorithm, answer.fallback), (DispatchAlgorithm::Horizon, None));
        assert_eq!(budgets.load(Ordering::SeqCst), Policy::default().horizon.steps_most);
        let greedy = Policy { algorithm: DispatchAlgorithm::Greedy, ..Policy::default() };
        let answer = planner.plan(&zone(), Snapshot::default(), greedy, Utc::now()).await;
        assert_eq!((answer.plan.report.algorithm, answer.fallback), (DispatchAlgorithm::Greedy, None));
    }

    #[tokio::test]
    async fn whoever_panics_is_replaced() {
        let engine: Engine = Arc::new(|snapshot, policy| {
            assert!(policy.algorithm != DispatchAlgorithm::Horizon, "a bug");
            engine::plan(snapshot, policy)
        });
        let answer = ask(&Planner::with(Duration::from_secs(60), engine)).await;
        assert_eq!(
            (answer.plan.report.algorithm, answer.fallback),
            (DispatchAlgorithm::Greedy, Some(Fallback::Failed))
        );
    }

    #[test]
    fn a_budget_recovers_slowly() {
        let mut most = Some(FEWEST_STEPS);
        let ticks = (1..).find(|_| {
            most = recovered(most);
            most.is_none()
        });
        assert!(ticks.is_some_and(|n| (40..200).contains(&n)), "{ticks:?}");
    }
}
