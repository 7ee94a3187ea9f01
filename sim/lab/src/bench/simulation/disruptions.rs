//! Disruptions: declined offers, unresponsive riders, delayed kitchens.
//!
//! All of them are fixed per order and rider before the day begins, so that two policies face the same ones (common
//! random numbers): a rider who would decline an order declines it at any time and under any policy.
//!
//! * **Declined offers**: the rider stays in place and is not offered that order again.
//! * **Silences**: the rider does not respond for a while and is `stale` in the snapshot. Orders on board are late by
//!   the length of the silence. Orders not yet picked up are withdrawn after [`SILENCE_TIMEOUT_MIN`] minutes.
//! * **Delays**: at the announced ready time of an order its kitchen announces a later one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

use pannier_contracts::RiderId;
use pannier_engine::{Outcome, Plan};
use serde::Serialize;

use super::ids::{index_of, rider_id};
use super::tour::Tour;
use crate::bench::solution::Kitchen;
use pannier_instance::Instance;

/// Minutes of silence after which orders that a rider has not picked up are withdrawn.
pub const SILENCE_TIMEOUT_MIN: i64 = 5;

/// The disruptions of a day; none by default. Couriers and orders are indexes into the vectors of the instance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Disruptions {
    /// The offers that would be declined.
    pub declined: HashSet<Offer>,
    /// When a courier is silent, minutes of the day; at most once per courier.
    pub silent: BTreeMap<usize, Range<i64>>,
    /// The ready time announced at first for delayed orders, minute of the day. The instance has the true one.
    pub announced_ready: BTreeMap<usize, i64>,
    /// Mean preparation time that each restaurant states, milliseconds. Empty: the mean over its orders of the day.
    pub stated_ms: Vec<i64>,
}

/// A courier is asked to deliver an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Offer {
    /// Index of the courier.
    pub courier: usize,
    /// Index of the order.
    pub order: usize,
}

impl Disruptions {
    /// Whether the day has no disruption.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.declined.is_empty() && self.silent.is_empty() && self.announced_ready.is_empty()
    }

    /// The instance with the ready times that kitchens announce at placement. With [`Kitchen::Unknown`] nothing is
    /// announced, and the instance is returned unchanged.
    pub(super) fn announced<'i>(&self, instance: &'i Instance, kitchen: Kitchen) -> Cow<'i, Instance> {
        if self.announced_ready.is_empty() || kitchen == Kitchen::Unknown {
            return Cow::Borrowed(instance);
        }
        let mut announced = instance.clone();
        for (order, ready) in &self.announced_ready {
            announced.orders[*order].ready = *ready;
        }
        Cow::Owned(announced)
    }
}

/// Counts of disruptions and of the repairs of the plan that they caused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DisruptionStats {
    /// Declined offers, per order.
    pub declines: u64,
    /// Riders who stopped responding.
    pub silences: u64,
    /// Orders withdrawn from a rider before pickup, after the time-out or the end of the shift.
    pub given_back: u64,
    /// Orders that were ready later than announced.
    pub slips: u64,
    /// Declined or withdrawn orders that were planned with another rider.
    pub repairs: u64,
    /// Plans until then, summed over the repairs: 1 is the next minute's plan.
    pub repair_plans: u64,
    /// Most plans that one repair took.
    pub repair_plans_worst: u64,
    /// Declined or withdrawn orders that were never planned with another rider.
    pub unrepaired: u64,
    /// Couriers from whom orders were withdrawn.
    #[serde(skip)]
    pub withdrawn_from: BTreeSet<usize>,
}

/// A declined or withdrawn order that has no new rider yet.
struct Repair {
    order: usize,
    /// The courier who declined it, or from whom it was withdrawn.
    previous: usize,
    /// Plans made since.
    plans: u64,
}

/// The disruptions of a day under way.
pub(super) struct DisruptionState<'d> {
    pub disruptions: &'d Disruptions,
    /// By order: the riders who declined it.
    declined_by: BTreeMap<usize, Vec<RiderId>>,
    repairs: Vec<Repair>,
    stats: DisruptionStats,
}

impl<'d> DisruptionState<'d> {
    pub fn new(disruptions: &'d Disruptions) -> Self {
        let slips = disruptions.announced_ready.len() as u64;
        let stats = DisruptionStats { slips, ..DisruptionStats::default() };
        Self { disruptions, declined_by: BTreeMap::new(), repairs: Vec::new(), stats }
    }

    /// The counts at the end of the day.
    pub fn into_stats(self) -> DisruptionStats {
        DisruptionStats { unrepaired: self.repairs.len() as u64, ..self.stats }
    }

    /// Offers the orders to a courier. Returns false when any of them is declined; the next plan excludes the courier.
    pub fn accepts(&mut self, courier: usize, orders: &[usize]) -> bool {
        let mut accepts = true;
        for order in orders.iter().filter(|o| self.disruptions.declined.contains(&Offer { courier, order: **o })) {
            self.stats.declines += 1;
            self.declined_by.entry(*order).or_default().push(rider_id(courier));
            self.repairs.push(Repair { order: *order, previous: courier, plans: 0 });
            accepts = false;
        }
        accepts
    }

    /// The riders who declined an order.
    pub fn declined_by(&self, order: usize) -> Vec<RiderId> {
        self.declined_by.get(&order).cloned().unwrap_or_default()
    }

    pub fn is_silent(&self, courier: usize, now: i64) -> bool {
        self.disruptions.silent.get(&courier).is_some_and(|silent| silent.contains(&now))
    }

    /// Whether the courier's silence begins in this minute. Counts it.
    pub fn start_silence(&mut self, courier: usize, now: i64) -> bool {
        let starts = self.disruptions.silent.get(&courier).is_some_and(|silent| silent.start == now);
        self.stats.silences += u64::from(starts);
        starts
    }

    /// Whether the courier has been silent for [`SILENCE_TIMEOUT_MIN`] minutes.
    pub fn is_timed_out(&self, courier: usize, now: i64) -> bool {
        let silent = self.disruptions.silent.get(&courier);
        silent.is_some_and(|silent| silent.contains(&now) && now >= silent.start + SILENCE_TIMEOUT_MIN)
    }

    /// Records that the orders were withdrawn from the courier.
    pub fn withdraw(&mut self, courier: usize, orders: &[usize]) {
        self.stats.given_back += orders.len() as u64;
        self.stats.withdrawn_from.insert(courier);
        self.repairs.extend(orders.iter().map(|order| Repair { order: *order, previous: courier, plans: 0 }));
    }

    /// Records which declined or withdrawn orders the plan gives to another rider.
    pub fn record_plan(&mut self, plan: &Plan) {
        if self.repairs.is_empty() {
            return;
        }
        let mut carriers: BTreeMap<usize, usize> = BTreeMap::new();
        for route in &plan.routes {
            for delivery in route.trips.iter().flat_map(|t| &t.trip.deliveries) {
                carriers.insert(index_of(delivery.0), index_of(route.rider.0));
            }
        }
        for decision in &plan.decisions {
            if let Outcome::Offer { riders } = &decision.outcome {
                carriers.entry(index_of(decision.delivery.0)).or_insert(index_of(riders[0].rider.0));
            }
        }
        let stats = &mut self.stats;
        self.repairs.retain_mut(|repair| {
            repair.plans += 1;
            let is_repaired = carriers.get(&repair.order).is_some_and(|carrier| *carrier != repair.previous);
            if is_repaired {
                stats.repairs += 1;
                stats.repair_plans += repair.plans;
                stats.repair_plans_worst = stats.repair_plans_worst.max(repair.plans);
            }
            !is_repaired
        });
    }

    /// Delays the drop-offs of a tour during which the courier falls silent. Returns the delay in minutes.
    pub fn delay_tour(&self, courier: usize, pickup: i64, tour: &mut Tour) -> i64 {
        let Some(silent) = self.disruptions.silent.get(&courier) else { return 0 };
        if silent.start < pickup || silent.start >= tour.end {
            return 0;
        }
        let delay = silent.end - silent.start;
        for dropoff in tour.dropoffs.iter_mut().filter(|d| d.at > silent.start) {
            dropoff.at += delay;
        }
        tour.end += delay;
        delay
    }

    /// The part of a tour's delay that is not known yet: all of it until the silence begins.
    pub fn unknown_delay(&self, courier: usize, delay: i64, now: i64) -> i64 {
        if self.disruptions.silent.get(&courier).is_some_and(|silent| now < silent.start) { delay } else { 0 }
    }
}
