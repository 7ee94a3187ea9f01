//! The dispatchers: one per zone, on the process that holds the zone's lease (ADR 0024). A dispatcher works in ticks, woken
//! by events that may change its zone's plan: it takes the city from memory, asks the engine for a plan, and writes the
//! decisions. The rules are all in the engine. A failure in one zone, or with one delivery, stops no other.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chrono::TimeDelta;
use futures::FutureExt as _;
use pannier_contracts::zone;
use pannier_contracts::{DeliveryId, RiderId, ZoneId};
use pannier_engine::{self as engine, Decision, HoldReason, NobodyReason, Outcome};
use pannier_platform::event_log::EventLog;
use pannier_platform::leases::Lease;
use pannier_platform::{Cause, Db, Instance, Refusal, Stop, alarms};
use tokio::task::JoinSet;

use super::city::{CityCache, CityView, EngineInput};
use super::planned_round::PlannedRound;
use super::planner::Planner;
use super::recent_orders::RecentOrders;
use crate::commands::send_offers::{Decided, send_offers};
use crate::fleet::Fleet;
use crate::store;
use crate::store::rounds::held_until;

/// The longest pause between two ticks of a zone with waiting deliveries; also the pause after a failure.
const TICK: Duration = Duration::from_secs(1);
/// The longest pause between two ticks of a zone without waiting deliveries, and between two searches for new zones.
const IDLE: Duration = Duration::from_secs(60);
/// The shortest pause between two ticks: events come in bursts.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Recent orders are read again after so long.
const RECENT_ORDERS_EVERY: Duration = Duration::from_secs(5);
/// Time for an offer to reach its rider and for the answer to come back, milliseconds; half a minute of the city for the
/// rider to decide comes on top.
const ANSWER_MS: i64 = 1_000;
/// A decision that has not changed is written again after so long, to show that the delivery is still planned for.
const REPEAT_ROUND_EVERY: TimeDelta = TimeDelta::seconds(10);
/// Pause between asking for the leases of two zones.
const LEASE_STAGGER: Duration = Duration::from_millis(150);
/// A delivery whose decision could not be written is skipped for so long.
const QUARANTINE: Duration = Duration::from_secs(30);

/// The dispatchers of all zones whose leases this process can get.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    db: Db,
    fleet: Fleet,
    planner: Arc<Planner>,
    city: Arc<CityCache>,
}

/// What a zone's dispatcher keeps between ticks.
#[derive(Debug, Default)]
struct Memory {
    recent: RecentOrders,
    recent_read_at: Option<Instant>,
    /// Deliveries whose decisions could not be written, since when.
    quarantined: HashMap<DeliveryId, Instant>,
}

impl Dispatcher {
    /// Dispatchers that are not running yet.
    #[must_use]
    pub const fn new(db: Db, fleet: Fleet, planner: Arc<Planner>, city: Arc<CityCache>) -> Self {
        Self { db, fleet, planner, city }
    }

    /// Dispatches every zone whose lease this process holds, until `stop`.
    pub async fn run(self, log: EventLog, holder: Instance, stop: Stop) {
        let (mut zones, mut running) = (HashSet::new(), JoinSet::new());
        let listening = tokio::spawn({
            let (city, stop) = (Arc::clone(&self.city), stop.clone());
            async move { city.listen(log, stop).await }
        });
        while !stop.is_cancelled() {
            match self.db.read(|conn| store::zones::dispatched(conn).boxed()).await {
                Ok(mut found) => {
                    found.retain(|zone| zones.insert(zone.clone()));
                    // Each process asks for the leases in an order of its own, so that zones spread over processes.
                    found.sort_by_cached_key(|zone| rank(holder.name(), zone));
                    for (n, zone) in (0..).zip(found) {
                        // Makes the zone known to the cache, before its first event.
                        let _ = self.city.wake(&zone);
                        let (this, stop) = (self.clone(), stop.clone());
                        let lease = Lease::new(self.db.clone(), format!("zone:{zone}"), holder.clone());
                        running.spawn(async move {
                            tokio::time::sleep(LEASE_STAGGER * n).await;
                            let work = AssertUnwindSafe(lease.run(stop, |held| this.work(&zone, held)));
                            (zone.clone(), work.catch_unwind().await.is_err())
                        });
                    }
                }
                Err(refusal) => tracing::warn!(error = ?refusal, "zones cannot be read; trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.city.zone_added() => {}
                Some(ended) = running.join_next() => if let Ok((zone, has_panicked)) = ended {
                    // The next turn of this loop starts it again.
                    tracing::error!(zone.id = %zone, has_panicked, "the dispatcher of zone {zone} ended; it is started again");
                    zones.remove(&zone);
                    tokio::time::sleep(TICK).await;
                },
                () = tokio::time::sleep(if zones.is_empty() { TICK } else { IDLE }) => {}
            }
        }
        while running.join_next().await.is_some() {}
        let _ = listening.await;
    }

    async fn work(&self, zone: &ZoneId, held: Stop) {
        let wake = self.city.wake(zone);
        let mut memory = Memory::default();
        // Another process may have dispatched the zone until now.
        self.city.require_full_read();
        loop {
            let began = Instant::now();
            let again_in = self.tick(zone, &mut memory).await.unwrap_or_else(|refusal| {
                tracing::warn!(zone.id = %zone, error = ?refusal, "the dispatcher of zone {zone} cannot plan; trying again");
                TICK
            });
            // A pause as long as the tick: planning takes at most half of the time.
            let pause = SHORTEST_PAUSE.max(began.elapsed());
            tokio::select! {
                () = held.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            tokio::select! {
                () = held.cancelled() => return,
                () = wake.notified() => {}
                () = tokio::time::sleep(again_in.saturating_sub(pause)) => {}
            }
        }
    }

    /// One plan of a zone, and its decisions. Returns when the next tick is due, if nothing wakes it before.
    async fn tick(&self, zone: &ZoneId, memory: &mut Memory) -> Result<Duration, Refusal> {
        let view = self.city.view().await?;
        if !view.has_waiting(zone) {
            return Ok(IDLE);
        }
        if memory.recent_read_at.is_none_or(|at| at.elapsed() >= RECENT_ORDERS_EVERY) {
            memory.recent = RecentOrders::read(&self.db).await?;
            memory.recent_read_at = Some(Instant::now());
        }
        memory.quarantined.retain(|_, since| since.elapsed() < QUARANTINE);
        let zone_policy = view.policy(zone);
        let Some(input) = view.snapshot(&self.fleet, zone, &zone_policy, &memory.recent, None).await else {
            return Ok(IDLE);
        };
        let EngineInput { snapshot, has_exact_positions } = input;
        if !has_exact_positions {
            self.city.require_positions();
        }
        let policy = engine_policy(&zone_policy);
        let minute_ms = policy.minute_ms;
        let began = SystemTime::now();
        let answer = self.planner.plan(zone, snapshot, policy, view.now).await;
        let round = PlannedRound { zone, began, planned: SystemTime::now(), algorithm: answer.plan.report.algorithm };
        let (plan, carriers) = (answer.metadata(), answer.carriers());
        let (mut again_in, mut decided) = (TICK, Vec::new());
        for decision in answer.plan.decisions {
            // Deliveries of other zones are only in the plan because they keep its riders busy.
            let Some(delivery) = view.delivery(decision.delivery).filter(|d| d.zone_id == *zone) else { continue };
            if let Some(until) = held_until(&decision) {
                again_in = again_in.min((until - view.now).to_std().unwrap_or_default());
            }
            let planned_rider = carriers.get(&decision.delivery).copied();
            let is_offer = matches!(decision.outcome, Outcome::Offer { .. });
            let is_quarantined = memory.quarantined.contains_key(&decision.delivery);
            if !is_quarantined && (is_offer || is_worth_a_round(&decision, planned_rider, &view, minute_ms)) {
                decided.push(Decided { decision, plan, planned_rider, version: delivery.version });
            }
        }
        // While a view exists, taking over what was written would copy the whole state.
        drop(view);
        let offered = offered(&decided);
        self.write(memory, decided).await?;
        round.trace(&offered);
        Ok(again_in)
    }

    /// Writes decisions in one transaction; if that fails, each in its own.
    async fn write(&self, memory: &mut Memory, decided: Vec<Decided>) -> Result<(), Refusal> {
        if decided.is_empty() {
            return Ok(());
        }
        let decided = Arc::new(decided);
        match self.try_write(Arc::clone(&decided)).await {
            Ok(()) => return Ok(()),
            Err(refusal @ Refusal::Away { .. }) => return Err(refusal),
            Err(refusal) => {
                tracing::debug!(error = ?refusal, "decisions could not be written together; each by itself");
                self.city.require_full_read();
            }
        }
        for one in decided.iter() {
            let delivery = one.decision.delivery;
            match self.try_write(Arc::new(vec![one.clone()])).await {
                // After a concurrent update, the next tick plans with the new row.
                Ok(()) | Err(Refusal::Conflict) => {}
                Err(refusal @ Refusal::Away { .. }) => return Err(refusal),
                Err(refusal) => {
                    tracing::error!(delivery.id = %delivery, error = ?refusal, "Delivery {delivery} cannot be dispatched");
                    memory.quarantined.insert(delivery, Instant::now());
                    self.raise_alarm(delivery).await;
                }
            }
        }
        Ok(())
    }

    async fn try_write(&self, decided: Arc<Vec<Decided>>) -> Result<(), Refusal> {
        let written = self
            .db
            .transaction(move |conn| {
                let decided = Arc::clone(&decided);
                async move { send_offers(conn, &Cause::of("dispatcher"), &decided).await }.boxed()
            })
            .await?;
        self.city.take_over(written).await;
        Ok(())
    }

    async fn raise_alarm(&self, delivery: DeliveryId) {
        let raised = self.db.transaction(move |conn| {
            let detail = "what the dispatcher decides about it cannot be written; the log says why";
            alarms::raise(conn, "dispatch_failed", "delivery", delivery.0, detail).boxed()
        });
        if let Err(refusal) = raised.await {
            tracing::warn!(error = ?refusal, "an alarm could not be raised");
        }
    }
}

/// The deliveries of decisions that are offers.
fn offered(decided: &[Decided]) -> Vec<DeliveryId> {
    let offers = decided.iter().filter(|d| matches!(d.decision.outcome, Outcome::Offer { .. }));
    offers.map(|d| d.decision.delivery).collect()
}

/// The place of a zone in the order in which a process asks for leases.
fn rank(holder: &str, zone: &ZoneId) -> u64 {
    let mut hasher = DefaultHasher::new();
    (holder, zone.as_str()).hash(&mut hasher);
    hasher.finish()
}

/// What a zone's settings mean to the engine.
pub(super) fn engine_policy(zone: &zone::Policy) -> engine::Policy {
    let mut policy = engine::Policy::of_zone(zone);
    policy.horizon.offer_lead_ms = ANSWER_MS + policy.minute_ms / 2;
    policy
}

/// Does a decision that is no offer differ enough from the delivery's newest round to be written? A delivery may wait for
/// long, and is decided several times a second.
fn is_worth_a_round(decision: &Decision, planned: Option<RiderId>, view: &CityView, minute_ms: i64) -> bool {
    // It has as many offers as it wants: the round that sent them says so.
    if decision.outcome.reason() == Some(NobodyReason::NoneWanted.as_str()) {
        return false;
    }
    let Some(last) = view.latest_round(decision.delivery) else { return true };
    let is_same = last.outcome == decision.outcome.as_str() && last.reason.as_deref() == decision.outcome.reason();
    let moved = match (held_until(decision), last.until_at) {
        (Some(until), Some(before)) => (until - before).abs(),
        _ => TimeDelta::zero(),
    };
    let was_planned = last.planned_rider_id;
    let is_lost = |rider: RiderId| decision.candidates.iter().any(|c| c.rider == rider && c.gate.is_some());
    // The hold moved, or the planned rider cannot be chosen any more.
    let minute = TimeDelta::milliseconds(minute_ms);
    if !is_same || moved > minute || (planned != was_planned && was_planned.is_some_and(is_lost)) {
        return true;
    }
    // A hold until a known time for a known rider need not be repeated.
    let waits = matches!(
        decision.outcome,
        Outcome::Hold { reason: HoldReason::TooEarly | HoldReason::Planned | HoldReason::RiderFull, .. }
    );
    let is_settled = waits && planned == was_planned && moved * 2 <= minute;
    !is_settled && view.now - last.at >= REPEAT_ROUND_EVERY
}
