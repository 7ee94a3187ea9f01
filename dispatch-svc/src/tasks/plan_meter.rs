//! Measures plans.

use pannier_platform::Metrics;
use prometheus::{HistogramVec, IntCounter, IntCounterVec};

use super::planner::Answer;
use crate::store::rounds::Fallback;

/// Bounds, seconds. A plan has a quarter of a second, unless `plan_budget_ms` says otherwise.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// The meters of plans.
pub(super) struct PlanMeter {
    seconds: HistogramVec,
    steps: IntCounter,
    fallbacks: IntCounterVec,
}

impl PlanMeter {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let fallbacks =
            metrics.counters("pannier_plan_fallbacks_total", "Plans that greedy made instead of horizon", &["reason"]);
        for reason in Fallback::ALL {
            // Shown at zero, so that a first one is an increase.
            fallbacks.with_label_values(&[reason.as_str()]);
        }
        Self {
            seconds: metrics.histograms("pannier_round_seconds", "One plan of a zone", &["algorithm"], &SECONDS),
            steps: metrics.counter("pannier_plan_steps_total", "Steps of search"),
            fallbacks,
        }
    }

    pub(super) fn count(&self, answer: &Answer) {
        let algorithm = answer.plan.report.algorithm;
        self.seconds.with_label_values(&[algorithm.as_str()]).observe(answer.took.as_secs_f64());
        self.steps.inc_by(u64::from(answer.plan.report.steps));
        if let Some(reason) = answer.fallback {
            self.fallbacks.with_label_values(&[reason.as_str()]).inc();
        }
    }
}
