//! The dispatcher: one per zone. It looks at the city in memory, asks the engine, and commits what was decided,
//! conditionally and all at once. It works in ticks, woken by what concerns its zone, at its own pace; the rules are all in
//! the engine. Nothing that goes wrong in one zone, or with one delivery, stops another.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures::FutureExt as _;
use pannier_contracts::zone;
use pannier_contracts::{DeliveryId, RiderId, ZoneId};
use pannier_engine::{self as engine, Decision, HoldReason, NobodyReason, Outcome};
use pannier_platform::event_log::EventLog;
use pannier_platform::leases::Lease;
use pannier_platform::{Cause, Db, Instance, Refusal, Stop, alarms};
use tokio::task::JoinSet;

use super::gather::{City, Seen, lately};
use super::outlook::Lately;
use super::planner::Planner;
use crate::commands::send_offers::{Decided, send_offers};
use crate::fleet::Fleet;
use crate::store;
use crate::store::rounds::{self, Made};

/// The fallback when nothing woke it and something waits.
const TICK: Duration = Duration::from_secs(1);
/// How often a zone in which nothing waits is looked at, and zones are looked for.
const IDLE: Duration = Duration::from_secs(60);
/// The least time between two ticks: commits come in crowds.
const BREATH: Duration = Duration::from_millis(100);
/// What customers ordered lately is read again after so long.
const LATELY: Duration = Duration::from_secs(5);
/// Between the moment to ask a rider and their answer, milliseconds, beside half a minute of the city in which they look
/// at it: the dispatcher may be in the middle of something, and the way to a phone and back takes time.
const ANSWER_MS: i64 = 1_000;
/// The same answer is written again after so long: a waiting delivery shows that it is looked at.
const SAME_AGAIN: TimeDelta = TimeDelta::seconds(10);
/// Between asking for the leases of two zones, at the start.
const SPREAD: Duration = Duration::from_millis(150);
/// A delivery whose decision could not be written is left alone for so long.
const LEFT_ALONE: Duration = Duration::from_secs(30);

/// The dispatchers of all zones whose leases this process can have.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    db: Db,
    fleet: Fleet,
    planner: Arc<Planner>,
    city: Arc<City>,
}

/// What a tick may take over from the one before.
#[derive(Debug, Default)]
struct Memory {
    lately: Lately,
    read_at: Option<Instant>,
    /// Deliveries whose decisions could not be written.
    left_alone: HashMap<DeliveryId, Instant>,
}

impl Dispatcher {
    /// A dispatcher over these.
    #[must_use]
    pub const fn new(db: Db, fleet: Fleet, planner: Arc<Planner>, city: Arc<City>) -> Self {
        Self { db, fleet, planner, city }
    }

    /// Dispatches every zone whose lease this process holds, until `stop`.
    pub async fn run(self, log: EventLog, holder: Instance, stop: Stop) {
        let (mut zones, mut running) = (HashSet::new(), JoinSet::new());
        let heard = tokio::spawn({
            let (city, stop) = (Arc::clone(&self.city), stop.clone());
            async move { city.listen(log, stop).await }
        });
        while !stop.is_cancelled() {
            match self.db.read(|conn| store::zones::dispatched(conn).boxed()).await {
                Ok(mut found) => {
                    found.retain(|zone| zones.insert(zone.clone()));
                    // Every process asks for them in an order of its own, so that they spread.
                    found.sort_by_cached_key(|zone| rank(holder.name(), zone));
                    for (n, zone) in (0..).zip(found) {
                        // From now on its events are known to be somebody's.
                        let _ = self.city.wake(&zone);
                        let (this, stop) = (self.clone(), stop.clone());
                        let lease = Lease::new(self.db.clone(), format!("zone:{zone}"), holder.clone());
                        running.spawn(async move {
                            tokio::time::sleep(SPREAD * n).await;
                            let work = AssertUnwindSafe(lease.run(stop, |held| this.work(&zone, held)));
                            (zone.clone(), work.catch_unwind().await.is_err())
                        });
                    }
                }
                Err(refusal) => tracing::warn!(error = ?refusal, "zones cannot be looked for; trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.city.new_zone() => {}
                Some(ended) = running.join_next() => if let Ok((zone, has_panicked)) = ended {
                    // It begins anew; the other zones do not notice.
                    tracing::error!(zone.id = %zone, has_panicked, "the dispatcher of zone {zone} ended; it is started again");
                    zones.remove(&zone);
                    tokio::time::sleep(TICK).await;
                },
                () = tokio::time::sleep(if zones.is_empty() { TICK } else { IDLE }) => {}
            }
        }
        while running.join_next().await.is_some() {}
        let _ = heard.await;
    }

    async fn work(&self, zone: &ZoneId, held: Stop) {
        let wake = self.city.wake(zone);
        let mut memory = Memory::default();
        // Another process may have written while it had the zone.
        self.city.doubt();
        loop {
            let began = Instant::now();
            let again_in = self.tick(zone, &mut memory).await.unwrap_or_else(|refusal| {
                tracing::warn!(zone.id = %zone, error = ?refusal, "the dispatcher of zone {zone} cannot look; trying again");
                TICK
            });
            // Half of the time at most: others use this machine, too.
            let breath = BREATH.max(began.elapsed());
            tokio::select! {
                () = held.cancelled() => return,
                () = tokio::time::sleep(breath) => {}
            }
            tokio::select! {
                () = held.cancelled() => return,
                () = wake.notified() => {}
                () = tokio::time::sleep(again_in.saturating_sub(breath)) => {}
            }
        }
    }

    /// One look at everything that waits in a zone. Returns after how long another one is due.
    async fn tick(&self, zone: &ZoneId, memory: &mut Memory) -> Result<Duration, Refusal> {
        let seen = self.city.look().await?;
        if !seen.has_waiting(zone) {
            return Ok(IDLE);
        }
        if memory.read_at.is_none_or(|at| at.elapsed() >= LATELY) {
            memory.lately = Lately::new(lately(&self.db).await?);
            memory.read_at = Some(Instant::now());
        }
        memory.left_alone.retain(|_, since| since.elapsed() < LEFT_ALONE);
        let zone_policy = seen.policy(zone);
        let Some((snapshot, is_exact)) = seen.snapshot(&self.fleet, zone, &zone_policy, &memory.lately).await else {
            return Ok(IDLE);
        };
        if !is_exact {
            self.city.needs_places();
        }
        let policy = policy(&zone_policy);
        let minute_ms = policy.minute_ms;
        let answer = self.planner.plan(zone, snapshot, policy, seen.now).await;
        let (how, carriers) = (answer.made(), answer.carriers());
        let (mut again_in, mut decided) = (TICK, Vec::new());
        for decision in answer.plan.decisions {
            // What belongs to another zone is only there to keep its riders busy.
            let Some(delivery) = seen.delivery(decision.delivery).filter(|d| d.zone_id == *zone) else { continue };
            if let Some(until) = rounds::until(&decision) {
                again_in = again_in.min((until - seen.now).to_std().unwrap_or_default());
            }
            let made = Made { planned_rider: carriers.get(&decision.delivery).copied(), ..how };
            let is_offer = matches!(decision.outcome, Outcome::Offer { .. });
            let is_left_alone = memory.left_alone.contains_key(&decision.delivery);
            if !is_left_alone && (is_offer || is_news(&decision, made.planned_rider, &seen, minute_ms)) {
                decided.push(Decided { decision, made, seen: delivery.version });
            }
        }
        // Nobody else holds the city while it takes over what is written.
        drop(seen);
        self.write(memory, decided).await?;
        Ok(again_in)
    }

    /// Writes what was decided: all at once, or, if that fails, each by itself.
    async fn write(&self, memory: &mut Memory, decided: Vec<Decided>) -> Result<(), Refusal> {
        if decided.is_empty() {
            return Ok(());
        }
        let decided = Arc::new(decided);
        match self.try_write(Arc::clone(&decided)).await {
            Ok(()) => return Ok(()),
            // Without the database, one by one would not help.
            Err(refusal @ Refusal::Away { .. }) => return Err(refusal),
            Err(refusal) => {
                tracing::debug!(error = ?refusal, "decisions could not be written together; each by itself");
                self.city.doubt();
            }
        }
        for one in decided.iter() {
            let delivery = one.decision.delivery;
            match self.try_write(Arc::new(vec![one.clone()])).await {
                // A concurrent update won: the next look sees it.
                Ok(()) | Err(Refusal::Conflict) => {}
                Err(refusal @ Refusal::Away { .. }) => return Err(refusal),
                Err(refusal) => {
                    tracing::error!(delivery.id = %delivery, error = ?refusal, "Delivery {delivery} cannot be dispatched");
                    memory.left_alone.insert(delivery, Instant::now());
                    self.alarm(delivery).await;
                }
            }
        }
        Ok(())
    }

    async fn try_write(&self, decided: Arc<Vec<Decided>>) -> Result<(), Refusal> {
        let sent = self
            .db
            .transaction(move |conn| {
                let decided = Arc::clone(&decided);
                async move { send_offers(conn, &Cause::of("dispatcher"), &decided).await }.boxed()
            })
            .await?;
        self.city.wrote(sent).await;
        Ok(())
    }

    async fn alarm(&self, delivery: DeliveryId) {
        let raised = self.db.transaction(move |conn| {
            let detail = "what the dispatcher decides about it cannot be written; the log says why";
            alarms::raise(conn, "dispatch_failed", "delivery", delivery.0, detail).boxed()
        });
        if let Err(refusal) = raised.await {
            tracing::warn!(error = ?refusal, "an alarm could not be raised");
        }
    }
}

/// Where a zone comes in a process's order.
fn rank(holder: &str, zone: &ZoneId) -> u64 {
    let mut hasher = DefaultHasher::new();
    (holder, zone.as_str()).hash(&mut hasher);
    hasher.finish()
}

/// What a zone's settings mean to the engine.
fn policy(zone: &zone::Policy) -> engine::Policy {
    let mut policy = engine::Policy::of_zone(zone);
    policy.horizon.offer_lead_ms = ANSWER_MS + policy.minute_ms / 2;
    policy
}

/// Is it worth a row? A delivery may wait for long, and the dispatcher looks several times a second.
fn is_news(decision: &Decision, planned: Option<RiderId>, seen: &Seen, minute_ms: i64) -> bool {
    // Asked already: the round that asked says so.
    if decision.outcome.reason() == Some(NobodyReason::NoneWanted.as_str()) {
        return false;
    }
    let Some(last) = seen.newest_round(decision.delivery) else { return true };
    let is_same = last.outcome == decision.outcome.as_str() && last.reason.as_deref() == decision.outcome.reason();
    let moved = match (rounds::until(decision), last.until_at) {
        (Some(until), Some(before)) => (until - before).abs(),
        _ => TimeDelta::zero(),
    };
    let was_planned = last.planned_rider_id;
    let is_lost = |rider: RiderId| decision.candidates.iter().any(|c| c.rider == rider && c.gate.is_some());
    // A kitchen slipped, or the planned rider was lost: that is news at once.
    let minute = TimeDelta::milliseconds(minute_ms);
    if !is_same || moved > minute || (planned != was_planned && was_planned.is_some_and(is_lost)) {
        return true;
    }
    // Known to wait until about a fixed moment, and for whom: once is enough.
    let waits = matches!(
        decision.outcome,
        Outcome::Hold { reason: HoldReason::TooEarly | HoldReason::Planned | HoldReason::RiderFull, .. }
    );
    let is_settled = waits && planned == was_planned && moved * 2 <= minute;
    !is_settled && seen.now - last.at >= SAME_AGAIN
}
