//! Runs the simulation of a day, minute by minute.

use std::time::Instant;

use pannier_contracts::zone::DispatchAlgorithm;
use pannier_engine::{self as engine, Plan, Policy, plan};

use super::disruptions::{DisruptionStats, Disruptions};
use super::state::Simulation;
use crate::bench::clock::MINUTE_MS;
use crate::bench::solution::{DayOptions, DayResult, PolicyName};
use pannier_instance::Instance;

/// Simulates a day without disruptions.
#[must_use]
pub fn simulate(instance: &Instance, options: &DayOptions) -> DayResult {
    simulate_with(instance, options, &Disruptions::default()).0
}

/// Simulates a day with disruptions.
#[must_use]
pub fn simulate_with(
    instance: &Instance,
    options: &DayOptions,
    disruptions: &Disruptions,
) -> (DayResult, DisruptionStats) {
    Simulation::new(instance, *options, policy(options), disruptions).run(&mut |_| ())
}

/// The plan of one minute, for observers.
pub(in crate::bench) struct MinutePlan<'p> {
    /// Minute of the day.
    pub now: i64,
    /// Number of orders placed so far.
    pub placed: usize,
    /// The engine's plan.
    pub plan: &'p Plan,
}

/// Simulates a day without disruptions and calls `observe` after each minute. Decisions list up to `candidates_listed`
/// candidates; the number does not change what is decided.
pub(in crate::bench) fn simulate_observed(
    instance: &Instance,
    options: &DayOptions,
    candidates_listed: u32,
    observe: &mut dyn FnMut(&MinutePlan<'_>),
) -> DayResult {
    let policy = Policy { candidates_listed, ..policy(options) };
    Simulation::new(instance, *options, policy, &Disruptions::default()).run(observe).0
}

/// The engine's policy for a benchmark: the defaults of a zone, without the search radius and the give-up time, which
/// days of the library do not have.
fn policy(options: &DayOptions) -> Policy {
    let mut policy = Policy {
        algorithm: match options.policy {
            PolicyName::Greedy => DispatchAlgorithm::Greedy,
            PolicyName::Horizon => DispatchAlgorithm::Horizon,
        },
        seed: options.seed,
        radius_m: u32::MAX,
        give_up_ms: 7 * 24 * 60 * MINUTE_MS,
        candidates_listed: 0,
        ..Policy::default()
    };
    policy.reposition.on = options.reposition;
    policy
}

impl Simulation<'_> {
    fn run(mut self, observe: &mut dyn FnMut(&MinutePlan<'_>)) -> (DayResult, DisruptionStats) {
        let last = self.instance.orders.iter().map(|o| o.ready).max().unwrap_or(0).max(self.instance.last_off());
        for now in self.instance.first_minute()..=last {
            let plan = self.step(now);
            observe(&MinutePlan { now, placed: self.placed, plan: &plan });
        }
        let day = DayResult { solution: self.solution, decisions: self.decisions, explanations: Vec::new() };
        (day, self.disruptions.into_stats())
    }

    /// One minute: new information, then events that do not need a decision, then the engine's plan.
    fn step(&mut self, now: i64) -> Plan {
        while let Some(order) = self.by_placement.get(self.placed).copied() {
            if self.instance.orders[order].placement > now {
                break;
            }
            self.placed += 1;
            self.open.push(order);
            self.forecaster.order_placed(&self.announced, order, now);
        }
        self.announce_delays(now);
        self.forecaster.update(self.instance, &self.open, now);
        for courier in 0..self.couriers.len() {
            self.apply_disruptions(courier, now);
            self.pick_up_fixed(courier, now);
        }
        let snapshot = self.snapshot(now);
        let began = Instant::now();
        let plan = plan(&snapshot, &self.policy);
        let took = began.elapsed().as_secs_f64();
        self.decisions.count += 1;
        self.decisions.total_s += took;
        self.decisions.worst_ms = self.decisions.worst_ms.max(took * 1_000.0);
        self.disruptions.record_plan(&plan);
        self.execute(&plan, now);
        self.previous = plan.routes.iter().map(engine::PlannedRoute::route).collect();
        plan
    }
}
