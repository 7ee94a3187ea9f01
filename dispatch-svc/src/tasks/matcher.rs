//! The dispatcher: gather a snapshot, ask the engine, commit offers conditionally. It works in ticks, woken by whatever
//! is committed, at its own pace; the rules are all in the engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures::FutureExt as _;
use pannier_contracts::RiderId;
use pannier_contracts::zone::{self, DispatchPolicy};
use pannier_engine::{self as engine, Decision, HoldReason, Kind, NobodyReason, Outcome};
use pannier_platform::event_log::EventLog;
use pannier_platform::leases::Lease;
use pannier_platform::{Cause, Db, Refusal, Stop, timers};

use super::gather::{Gathered, gather, lately};
use super::outlook::Lately;
use super::planner::Planner;
use crate::commands::send_offers::send_offers;
use crate::fleet::Fleet;
use crate::store::rounds::{self, Made};

/// The fallback when nothing woke it.
const TICK: Duration = Duration::from_secs(1);
/// The least time between two ticks: commits come in crowds.
const BREATH: Duration = Duration::from_millis(100);
/// What customers ordered lately is read again after so long.
const LATELY: Duration = Duration::from_secs(5);
/// Between the moment to ask a rider and their answer, milliseconds, beside half a minute of the city in which they look
/// at it: the dispatcher may be in the middle of something, and the way to a phone and back takes time.
const ANSWER_MS: i64 = 1_000;
/// The same answer is written again after so long: a waiting delivery shows that it is looked at.
const SAME_AGAIN: TimeDelta = TimeDelta::seconds(10);

/// The dispatcher.
#[derive(Debug, Clone)]
pub struct Matcher {
    db: Db,
    log: EventLog,
    fleet: Fleet,
    planner: Arc<Planner>,
}

/// What a tick may take over from the one before.
#[derive(Debug, Default)]
struct Memory {
    lately: Lately,
    read_at: Option<Instant>,
}

impl Matcher {
    /// A dispatcher over these.
    #[must_use]
    pub const fn new(db: Db, log: EventLog, fleet: Fleet, planner: Arc<Planner>) -> Self {
        Self { db, log, fleet, planner }
    }

    /// Works whenever this process holds the lease, until `stop`.
    pub async fn run(self, holder: String, stop: Stop) {
        let lease = Lease::new(self.db.clone(), "matcher", holder);
        lease.run(stop, |held| self.work(held)).await;
    }

    async fn work(&self, held: Stop) {
        let mut news = self.log.listen();
        let mut memory = Memory::default();
        loop {
            let began = Instant::now();
            let again_in = self.tick(&mut memory).await.unwrap_or_else(|refusal| {
                tracing::warn!(error = ?refusal, "the dispatcher cannot look; trying again");
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
                _ = news.recv() => news = news.resubscribe(),
                () = tokio::time::sleep(again_in.saturating_sub(breath)) => {}
            }
        }
    }

    /// One look at everything that waits. Returns after how long another one is due.
    async fn tick(&self, memory: &mut Memory) -> Result<Duration, Refusal> {
        let Some(mut seen) = gather(&self.db).await? else { return Ok(TICK) };
        let mut again_in = TICK;
        if memory.read_at.is_none_or(|at| at.elapsed() >= LATELY) {
            memory.lately = Lately::new(lately(&self.db).await?);
            memory.read_at = Some(Instant::now());
        }
        for (zone, zone_policy) in seen.zones() {
            let Some(snapshot) = seen.snapshot(&self.fleet, &zone, &zone_policy, &memory.lately).await else {
                continue;
            };
            let policy = policy(&zone_policy);
            let minute_ms = policy.minute_ms;
            let answer = self.planner.plan(&zone, snapshot, policy, seen.now).await;
            let (how, carriers) = (answer.made(), answer.carriers());
            let mut noted = Vec::new();
            for decision in answer.plan.decisions {
                // What belongs to another zone is only there to keep its riders busy.
                if seen.read(decision.delivery).is_none_or(|d| d.zone_id.0 != zone) {
                    continue;
                }
                if let Some(until) = rounds::until(&decision) {
                    again_in = again_in.min((until - seen.now).to_std().unwrap_or_default());
                }
                let made = Made { planned_rider: carriers.get(&decision.delivery).copied(), ..how };
                if let Outcome::Offer { .. } = decision.outcome {
                    self.offer(&mut seen, decision, made).await?;
                } else if is_news(&decision, made.planned_rider, &seen, minute_ms) {
                    noted.push((decision, made));
                }
            }
            self.note(noted).await?;
        }
        Ok(again_in)
    }

    async fn offer(&self, seen: &mut Gathered, decision: Decision, made: Made) -> Result<(), Refusal> {
        let Some(version) = seen.read(decision.delivery).map(|d| d.version) else { return Ok(()) };
        let asked = self
            .db
            .transaction(move |conn| {
                let decision = decision.clone();
                async move {
                    let Outcome::Offer { riders } = &decision.outcome else { return Ok(Vec::new()) };
                    let riders: Vec<_> = riders.iter().map(|chosen| chosen.rider).collect();
                    send_offers(conn, &Cause::of("dispatcher"), (&decision, &made), &riders, version).await
                }
                .boxed()
            })
            .await;
        match asked {
            Ok(asked) => {
                asked.iter().for_each(|rider| seen.was_asked(*rider));
                Ok(())
            }
            // Somebody was faster, again and again: the next tick sees what they did.
            Err(Refusal::Conflict) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    async fn note(&self, decisions: Vec<(Decision, Made)>) -> Result<(), Refusal> {
        if decisions.is_empty() {
            return Ok(());
        }
        self.db
            .transaction(move |conn| {
                let decisions = decisions.clone();
                async move {
                    let now = timers::now(conn).await?;
                    for (decision, made) in &decisions {
                        rounds::insert(conn, decision, made, now).await?;
                    }
                    Ok(())
                }
                .boxed()
            })
            .await
    }
}

/// What a zone's settings mean to the engine.
fn policy(zone: &zone::Policy) -> engine::Policy {
    let kind = match zone.dispatch {
        DispatchPolicy::Horizon => Kind::Horizon,
        DispatchPolicy::Greedy => Kind::Greedy,
    };
    let mut policy = engine::Policy { kind, ..engine::Policy::of_zone(zone) };
    policy.horizon.offer_lead_ms = ANSWER_MS + policy.minute_ms / 2;
    policy
}

/// Is it worth a row? A delivery may wait for long, and the dispatcher looks several times a second.
fn is_news(decision: &Decision, planned: Option<RiderId>, seen: &Gathered, minute_ms: i64) -> bool {
    // Asked already: the round that asked says so.
    if decision.outcome.reason() == Some(NobodyReason::NoneWanted.as_str()) {
        return false;
    }
    let Some(last) = seen.newest.get(&decision.delivery.0) else { return true };
    let is_same = last.outcome == decision.outcome.as_str() && last.reason.as_deref() == decision.outcome.reason();
    let moved = match (rounds::until(decision), last.until_at) {
        (Some(until), Some(before)) => (until - before).abs(),
        _ => TimeDelta::zero(),
    };
    let was_planned = last.planned_rider_id.map(RiderId);
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
