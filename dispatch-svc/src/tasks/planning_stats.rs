//! Statistics of planning in one zone, for operations.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use pannier_contracts::ZoneId;
use pannier_contracts::zone::DispatchAlgorithm;
use serde::Serialize;

use crate::store::rounds::{Fallback, PlanMetadata};

/// The number of newest plans whose durations are kept.
const DURATIONS_KEPT: usize = 100;

/// The statistics of a zone, as they are collected.
#[derive(Debug, Clone, Default)]
pub struct PlanningStats {
    last: Option<LastPlan>,
    /// Milliseconds, the newest last.
    took_ms: VecDeque<u64>,
    ticks: u64,
    overruns: u64,
    fallbacks: u64,
    last_fallback: Option<Fallback>,
}

#[derive(Debug, Clone, Copy)]
struct LastPlan {
    at: DateTime<Utc>,
    metadata: PlanMetadata,
    steps_most: u32,
}

/// How long the newest plans took, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TookMs {
    /// The median.
    pub p50: u64,
    /// The longest.
    pub max: u64,
}

/// The statistics of a zone, as operations see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ZoneStats {
    /// The zone.
    pub zone_id: ZoneId,
    /// When the last plan was made.
    pub at: DateTime<Utc>,
    /// The algorithm that decided the last plan.
    pub policy: DispatchAlgorithm,
    /// The steps of its search.
    pub steps: u32,
    /// The most steps that it might have had: fewer than usual after a plan that took too long.
    pub steps_most: u32,
    /// The durations of the newest 100 plans.
    pub took_ms: TookMs,
    /// Plans since this process began to dispatch the zone.
    pub ticks: u64,
    /// Plans that took longer than their budget.
    pub overruns: u64,
    /// Plans that `greedy` decided although the zone asks for `horizon`.
    pub fallbacks: u64,
    /// Why, the last time.
    pub last_fallback: Option<Fallback>,
}

impl PlanningStats {
    /// Adds a plan.
    pub fn add(&mut self, at: DateTime<Utc>, metadata: PlanMetadata, steps_most: u32, is_overrun: bool) {
        self.last = Some(LastPlan { at, metadata, steps_most });
        if self.took_ms.len() == DURATIONS_KEPT {
            self.took_ms.pop_front();
        }
        self.took_ms.push_back(metadata.took_ms);
        self.ticks += 1;
        self.overruns += u64::from(is_overrun);
        self.fallbacks += u64::from(metadata.fallback.is_some());
        self.last_fallback = metadata.fallback.or(self.last_fallback);
    }

    /// The statistics of `zone`; none before its first plan.
    #[must_use]
    pub fn summary(&self, zone: &ZoneId) -> Option<ZoneStats> {
        let LastPlan { at, metadata, steps_most } = self.last?;
        let mut took: Vec<u64> = self.took_ms.iter().copied().collect();
        took.sort_unstable();
        let took_ms =
            TookMs { p50: took.get(took.len() / 2).copied().unwrap_or(0), max: took.last().copied().unwrap_or(0) };
        Some(ZoneStats {
            zone_id: zone.clone(),
            at,
            policy: metadata.policy,
            steps: metadata.steps,
            steps_most,
            took_ms,
            ticks: self.ticks,
            overruns: self.overruns,
            fallbacks: self.fallbacks,
            last_fallback: self.last_fallback,
        })
    }
}
