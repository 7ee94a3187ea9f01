//! The figures of a replay, and whether they prove that the day went well.

use std::time::Duration;

use pannier_contracts::order::OrderState;
use pannier_contracts::zone::DispatchAlgorithm;
use serde::Serialize;

use super::checks::Finding;
use super::outcome::{Outcome, Times, mean, round};
use pannier_city::clock::Clock;
use pannier_instance::Instance;

/// The figures of a replay. The seven from `stuck` to `invariant_violations` are 0 when the platform works correctly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Orders in the instance.
    pub orders_in_file: usize,
    /// Orders that were acknowledged.
    pub placed: usize,
    /// Orders that were delivered.
    pub delivered: usize,
    /// Orders that are ready only after the last courier's shift.
    pub undeliverable_by_data: usize,
    /// Orders that ended as cancelled.
    pub cancelled: usize,
    /// Orders that ended as expired.
    pub expired: usize,
    /// Orders that ended as rejected.
    pub rejected: usize,
    /// Orders that ended as failed.
    pub failed: usize,
    /// Open records, unpublished events, overdue timers and dead letters.
    pub stuck: i64,
    /// Effects that happened twice.
    pub duplicates: i64,
    /// Acknowledged orders or taps that are not stored, and events that were not applied.
    pub lost: i64,
    /// Deliveries with two riders at once.
    pub double_assignments: i64,
    /// Riders with more orders than their capacity.
    pub capacity_breaches: i64,
    /// Difference between order-svc's ledger and the gateway's, minor units.
    pub ledger_difference: i64,
    /// Illegal transitions, version gaps, contradictory final states and stale copies.
    pub invariant_violations: i64,
    /// From placing to the handover, city minutes, mean of the delivered orders.
    pub click_to_door_mean_min: f64,
    /// From the ready time to the pickup, city minutes, mean of the delivered orders.
    pub ready_to_pickup_mean_min: f64,
    /// Seconds of real time from start to report.
    pub wall_seconds: f64,
    /// The dispatch policy of the zone.
    pub policy: DispatchAlgorithm,
}

/// What a replay has produced.
pub struct Played {
    /// Converts city minutes.
    pub clock: Clock,
    /// The dispatch policy of the zone.
    pub policy: DispatchAlgorithm,
    /// In the order of the instance's orders.
    pub outcomes: Vec<Outcome>,
    /// Of every check.
    pub findings: Vec<Finding>,
    /// What the bots saw and did not expect.
    pub warnings: Vec<String>,
    /// Real time from start to report.
    pub took: Duration,
}

impl Summary {
    /// Counts outcomes and findings.
    pub fn new(instance: &Instance, played: &Played) -> Self {
        let Played { clock, policy, outcomes, findings, took, .. } = played;
        let count = |state| outcomes.iter().filter(|o| o.is(state)).count();
        let found = |name: &str| findings.iter().find(|f| f.name == name).map_or(-1, |f| f.count);
        let times: Vec<_> = outcomes.iter().filter_map(|o| Times::of(o, *clock)).collect();
        Self {
            orders_in_file: instance.orders.len(),
            placed: outcomes.iter().filter(|o| o.order.is_some()).count(),
            delivered: count(OrderState::Delivered),
            undeliverable_by_data: instance.orders.iter().filter(|o| instance.is_undeliverable(o)).count(),
            cancelled: count(OrderState::Cancelled),
            expired: count(OrderState::Expired),
            rejected: count(OrderState::Rejected),
            failed: count(OrderState::Failed),
            stuck: found("stuck"),
            duplicates: found("duplicates"),
            lost: found("lost"),
            double_assignments: found("double_assignments"),
            capacity_breaches: found("capacity_breaches"),
            ledger_difference: found("ledger_difference"),
            invariant_violations: found("invariant_violations"),
            click_to_door_mean_min: mean(times.iter().map(|t| t.click_to_door)),
            ready_to_pickup_mean_min: mean(times.iter().map(|t| t.ready_to_pickup)),
            wall_seconds: round(took.as_secs_f64()),
            policy: *policy,
        }
    }

    /// Whether the seven checks found nothing and every order of the instance was placed: an order that was not placed
    /// proves nothing.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.orders_in_file > 0 && self.placed == self.orders_in_file && self.seven().iter().all(|(_, n)| *n == 0)
    }

    /// The seven figures that must be 0, by their names in the table.
    pub const fn seven(&self) -> [(&'static str, i64); 7] {
        [
            ("stuck", self.stuck),
            ("duplicates", self.duplicates),
            ("lost", self.lost),
            ("double assignments", self.double_assignments),
            ("capacity breaches", self.capacity_breaches),
            ("ledger difference", self.ledger_difference),
            ("invariant violations", self.invariant_violations),
        ]
    }
}
