//! How planning went lately, for people.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use pannier_contracts::ZoneId;
use pannier_contracts::zone::DispatchAlgorithm;
use serde::Serialize;

use super::planner::Answer;
use crate::store::rounds::Fallback;

/// So many plans tell how long plans take.
const LATELY: usize = 100;

/// How planning went in one zone.
#[derive(Debug, Clone, Default)]
pub struct Ticks {
    last: Option<Last>,
    /// Milliseconds, the newest last.
    took_ms: VecDeque<u64>,
    ticks: u64,
    overruns: u64,
    fallbacks: u64,
    last_fallback: Option<Fallback>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    at: DateTime<Utc>,
    policy: DispatchAlgorithm,
    steps: u32,
    steps_most: u32,
}

/// How long plans took lately, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TookMs {
    /// Half of them took no longer.
    pub p50: u64,
    /// The longest.
    pub max: u64,
}

/// How planning goes in one zone, as operations see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ZoneTicks {
    /// Which zone.
    pub zone_id: ZoneId,
    /// When it was last decided about.
    pub at: DateTime<Utc>,
    /// Who decided then.
    pub policy: DispatchAlgorithm,
    /// Steps of that search …
    pub steps: u32,
    /// … and how many it might have had: fewer than usual after a plan that took too long.
    pub steps_most: u32,
    /// The last 100 plans.
    pub took_ms: TookMs,
    /// Plans since this process began to dispatch.
    pub ticks: u64,
    /// Those that took longer than their budget.
    pub overruns: u64,
    /// Those where `greedy` decided and `horizon` was asked.
    pub fallbacks: u64,
    /// Why, the last time.
    pub last_fallback: Option<Fallback>,
}

impl Ticks {
    /// One plan more.
    pub fn note(&mut self, at: DateTime<Utc>, answer: &Answer, steps_most: u32, is_overrun: bool) {
        let made = answer.made();
        self.last = Some(Last { at, policy: made.policy, steps: made.steps, steps_most });
        if self.took_ms.len() == LATELY {
            self.took_ms.pop_front();
        }
        self.took_ms.push_back(made.took_ms);
        self.ticks += 1;
        self.overruns += u64::from(is_overrun);
        self.fallbacks += u64::from(answer.fallback.is_some());
        self.last_fallback = answer.fallback.or(self.last_fallback);
    }

    /// All of it; `None` before the first plan.
    #[must_use]
    pub fn told(&self, zone: &ZoneId) -> Option<ZoneTicks> {
        let last = self.last?;
        let mut took: Vec<u64> = self.took_ms.iter().copied().collect();
        took.sort_unstable();
        let took_ms =
            TookMs { p50: took.get(took.len() / 2).copied().unwrap_or(0), max: took.last().copied().unwrap_or(0) };
        Some(ZoneTicks {
            zone_id: zone.clone(),
            at: last.at,
            policy: last.policy,
            steps: last.steps,
            steps_most: last.steps_most,
            took_ms,
            ticks: self.ticks,
            overruns: self.overruns,
            fallbacks: self.fallbacks,
            last_fallback: self.last_fallback,
        })
    }
}
