//! The dispatcher: gather a snapshot, ask the engine, commit offers conditionally. It works in ticks, woken by whatever
//! is committed, at its own pace; the rules are all in the engine.

use std::time::Duration;

use chrono::TimeDelta;
use futures::FutureExt as _;
use pannier_engine::{self as engine, Decision, Outcome, plan};
use pannier_platform::leases::Lease;
use pannier_platform::{Cause, Db, Refusal, Stop, timers};

use super::gather::{Gathered, gather};
use crate::commands::send_offers::send_offers;
use crate::fleet::Fleet;
use crate::store::rounds::{self, Last};

/// The fallback when nothing woke it.
const TICK: Duration = Duration::from_secs(1);
/// The least time between two ticks: commits come in crowds.
const BREATH: Duration = Duration::from_millis(100);
/// The same answer is written again after so long: a waiting delivery shows that it is looked at.
const SAME_AGAIN: TimeDelta = TimeDelta::seconds(10);

/// The dispatcher.
#[derive(Debug, Clone)]
pub struct Matcher {
    db: Db,
    fleet: Fleet,
}

impl Matcher {
    /// A dispatcher over these.
    #[must_use]
    pub const fn new(db: Db, fleet: Fleet) -> Self {
        Self { db, fleet }
    }

    /// Works whenever this process holds the lease, until `stop`.
    pub async fn run(self, holder: String, stop: Stop) {
        let lease = Lease::new(self.db.clone(), "matcher", holder);
        lease.run(stop, |held| self.work(held)).await;
    }

    async fn work(&self, held: Stop) {
        let committed = self.db.committed();
        loop {
            let woken = committed.notified();
            if let Err(refusal) = self.tick().await {
                tracing::warn!(error = ?refusal, "the dispatcher cannot look; trying again");
            }
            tokio::select! {
                () = held.cancelled() => return,
                () = tokio::time::sleep(BREATH) => {}
            }
            tokio::select! {
                () = held.cancelled() => return,
                () = woken => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// One look at everything that waits. Returns how many offers were sent.
    ///
    /// # Errors
    /// What the database says.
    pub async fn tick(&self) -> Result<usize, Refusal> {
        let Some(mut seen) = gather(&self.db).await? else { return Ok(0) };
        let mut sent = 0;
        for (zone, policy) in seen.zones() {
            let snapshot = seen.snapshot(&self.fleet, &zone, &policy).await;
            let plan = plan(&snapshot, &engine::Policy::of_zone(&policy));
            let mut noted = Vec::new();
            for decision in plan.decisions {
                if let Outcome::Offer { .. } = decision.outcome {
                    sent += self.offer(&mut seen, decision).await?;
                } else if is_news(&decision, &seen) {
                    noted.push(decision);
                }
            }
            self.note(noted).await?;
        }
        Ok(sent)
    }

    async fn offer(&self, seen: &mut Gathered, decision: Decision) -> Result<usize, Refusal> {
        let Some(version) = seen.read(decision.delivery).map(|d| d.version) else { return Ok(0) };
        let asked = self
            .db
            .transaction(move |conn| {
                let decision = decision.clone();
                async move {
                    let Outcome::Offer { riders } = &decision.outcome else { return Ok(Vec::new()) };
                    let riders: Vec<_> = riders.iter().map(|chosen| chosen.rider).collect();
                    send_offers(conn, &Cause::of("dispatcher"), &decision, &riders, version).await
                }
                .boxed()
            })
            .await;
        match asked {
            Ok(asked) => {
                asked.iter().for_each(|rider| seen.was_asked(*rider));
                Ok(asked.len())
            }
            // Somebody was faster, again and again: the next tick sees what they did.
            Err(Refusal::Conflict) => Ok(0),
            Err(refusal) => Err(refusal),
        }
    }

    async fn note(&self, decisions: Vec<Decision>) -> Result<(), Refusal> {
        if decisions.is_empty() {
            return Ok(());
        }
        self.db
            .transaction(move |conn| {
                let decisions = decisions.clone();
                async move {
                    let now = timers::now(conn).await?;
                    for decision in &decisions {
                        rounds::insert(conn, decision, decision.candidates.clone(), now).await?;
                    }
                    Ok(())
                }
                .boxed()
            })
            .await
    }
}

/// Is it worth a row? A delivery may wait for long, and the dispatcher looks several times a second.
fn is_news(decision: &Decision, seen: &Gathered) -> bool {
    // Asked already: the round that asked says so.
    if decision.outcome.reason() == Some(engine::NobodyReason::NoneWanted.as_str()) {
        return false;
    }
    let Some(Last { at, outcome, reason, until_at, .. }) = seen.newest.get(&decision.delivery.0) else { return true };
    let is_same = outcome == decision.outcome.as_str() && reason.as_deref() == decision.outcome.reason();
    let until = rounds::until(decision);
    // Known to wait until a fixed moment: once is enough.
    let is_settled =
        is_same && decision.outcome.reason() == Some(engine::HoldReason::TooEarly.as_str()) && until == *until_at;
    !is_settled && (!is_same || seen.now - *at >= SAME_AGAIN)
}
