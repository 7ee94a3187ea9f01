//! What goes wrong on a day: offers that are declined, riders who fall silent, kitchens that are late.
//!
//! All of it is fixed before the day begins, per order and rider, so that two policies meet the same luck (common random
//! numbers): a rider who would decline an order declines it whoever asks and whenever.
//!
//! * **Declined**: the rider stays where they are, and is not asked for that order again.
//! * **Silent**: for a while the rider answers nothing, and the snapshot says `stale`. Food in the bag arrives late by as
//!   much as they were silent. Orders that they were to fetch stay theirs for [`GIVE_BACK_MIN`] minutes, then they are
//!   open again.
//! * **Slipped**: when an order should be ready its kitchen says how much longer it takes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

use pannier_contracts::RiderId;
use pannier_engine::{Outcome, Plan};
use serde::Serialize;

use super::{Shift, number, rider_id};
use crate::bench::solution::{Drop, Kitchen, Site};
use pannier_instance::Instance;

/// Minutes of silence after which the orders of a rider who has not picked them up are given back.
pub const GIVE_BACK_MIN: i64 = 5;

/// What will go wrong; nothing by default. Couriers and orders are indexes into the vectors of the instance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mishaps {
    /// Courier and order: they would decline it.
    pub declined: HashSet<(usize, usize)>,
    /// When a courier is silent, minutes of the day; at most once.
    pub silent: BTreeMap<usize, Range<i64>>,
    /// When the kitchen first said that an order would be ready, minutes of the day; the instance has when it is.
    pub announced: BTreeMap<usize, i64>,
    /// What each restaurant says that it usually needs, milliseconds; empty: the mean of its day.
    pub stated_ms: Vec<i64>,
}

impl Mishaps {
    /// Does nothing go wrong?
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.declined.is_empty() && self.silent.is_empty() && self.announced.is_empty()
    }

    /// The instance as kitchens tell of it when the day begins. Where they tell nothing, the truth is looked at only when
    /// it shows.
    pub(super) fn told<'i>(&self, instance: &'i Instance, kitchen: Kitchen) -> Cow<'i, Instance> {
        if self.announced.is_empty() || kitchen == Kitchen::Unknown {
            return Cow::Borrowed(instance);
        }
        let mut told = instance.clone();
        for (order, announced) in &self.announced {
            told.orders[*order].ready = *announced;
        }
        Cow::Owned(told)
    }
}

/// How a day took what went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Troubles {
    /// Orders that somebody declined, as often as they were declined.
    pub declines: u64,
    /// Riders who fell silent.
    pub silences: u64,
    /// Orders that were taken from a rider who had not picked them up: silent for too long, or off shift by now.
    pub given_back: u64,
    /// Orders that were later than their kitchen had said.
    pub slips: u64,
    /// Declined or given back, and then planned with somebody else.
    pub repairs: u64,
    /// Plans that took, all together: 1 is the very next minute.
    pub repair_plans: u64,
    /// The most that one took.
    pub repair_plans_worst: u64,
    /// Declined or given back, and never planned with somebody else.
    pub unrepaired: u64,
    /// The couriers from whom something was taken.
    #[serde(skip)]
    pub taken_from: BTreeSet<usize>,
}

/// An order that needs somebody else.
struct Repair {
    order: usize,
    /// Than whom.
    than: usize,
    /// Plans since.
    plans: u64,
}

/// The mishaps of a day as it goes.
pub(super) struct Trouble<'m> {
    pub mishaps: &'m Mishaps,
    excluded: BTreeMap<usize, Vec<RiderId>>,
    repairs: Vec<Repair>,
    found: Troubles,
}

impl<'m> Trouble<'m> {
    pub fn new(mishaps: &'m Mishaps) -> Self {
        let slips = mishaps.announced.len() as u64;
        let found = Troubles { slips, ..Troubles::default() };
        Self { mishaps, excluded: BTreeMap::new(), repairs: Vec::new(), found }
    }

    /// The day is over.
    pub fn end(self) -> Troubles {
        Troubles { unrepaired: self.repairs.len() as u64, ..self.found }
    }

    /// The courier is asked for these. If they decline any, nothing happens, and the next plan knows.
    pub fn accepts(&mut self, courier: usize, orders: &[usize]) -> bool {
        let mut accepts = true;
        for order in orders.iter().filter(|o| self.mishaps.declined.contains(&(courier, **o))) {
            self.found.declines += 1;
            self.excluded.entry(*order).or_default().push(rider_id(courier));
            self.repairs.push(Repair { order: *order, than: courier, plans: 0 });
            accepts = false;
        }
        accepts
    }

    /// Riders who declined the order.
    pub fn excluded(&self, order: usize) -> Vec<RiderId> {
        self.excluded.get(&order).cloned().unwrap_or_default()
    }

    pub fn is_silent(&self, courier: usize, now: i64) -> bool {
        self.mishaps.silent.get(&courier).is_some_and(|silent| silent.contains(&now))
    }

    /// Do they fall silent in this minute?
    fn falls_silent(&mut self, courier: usize, now: i64) -> bool {
        let falls = self.mishaps.silent.get(&courier).is_some_and(|silent| silent.start == now);
        self.found.silences += u64::from(falls);
        falls
    }

    /// Have they been silent for too long to keep what they have not picked up?
    fn is_given_up(&self, courier: usize, now: i64) -> bool {
        let silent = self.mishaps.silent.get(&courier);
        silent.is_some_and(|silent| silent.contains(&now) && now >= silent.start + GIVE_BACK_MIN)
    }

    /// These were taken from the courier.
    fn taken(&mut self, courier: usize, orders: &[usize]) {
        self.found.given_back += orders.len() as u64;
        self.found.taken_from.insert(courier);
        self.repairs.extend(orders.iter().map(|order| Repair { order: *order, than: courier, plans: 0 }));
    }

    /// A plan was made: does it have somebody else?
    pub fn planned(&mut self, plan: &Plan) {
        if self.repairs.is_empty() {
            return;
        }
        let mut carriers: BTreeMap<usize, usize> = BTreeMap::new();
        for route in &plan.routes {
            for delivery in route.trips.iter().flat_map(|t| &t.trip.deliveries) {
                carriers.insert(number(delivery.0), number(route.rider.0));
            }
        }
        for decision in &plan.decisions {
            if let Outcome::Offer { riders } = &decision.outcome {
                carriers.entry(number(decision.delivery.0)).or_insert(number(riders[0].rider.0));
            }
        }
        let found = &mut self.found;
        self.repairs.retain_mut(|repair| {
            repair.plans += 1;
            let is_repaired = carriers.get(&repair.order).is_some_and(|who| *who != repair.than);
            if is_repaired {
                found.repairs += 1;
                found.repair_plans += repair.plans;
                found.repair_plans_worst = found.repair_plans_worst.max(repair.plans);
            }
            !is_repaired
        });
    }

    /// Puts off what happens after a pickup until a courier who falls silent meanwhile is back. By how many minutes, and
    /// nobody can know of them before they begin.
    pub fn pause(&self, courier: usize, pickup: i64, drops: &mut [Drop], end: &mut i64) -> i64 {
        let Some(silent) = self.mishaps.silent.get(&courier) else { return 0 };
        if silent.start < pickup || silent.start >= *end {
            return 0;
        }
        let late = silent.end - silent.start;
        for drop in drops.iter_mut().filter(|d| d.at > silent.start) {
            drop.at += late;
        }
        *end += late;
        late
    }

    /// Of the minutes by which a trip is late, those that nobody knows of yet.
    pub fn unknown(&self, courier: usize, late: i64, now: i64) -> i64 {
        if self.mishaps.silent.get(&courier).is_some_and(|silent| now < silent.start) { late } else { 0 }
    }
}

impl Shift<'_> {
    /// What goes wrong for a courier as a minute begins.
    pub(super) fn mishap(&mut self, courier: usize, now: i64) {
        let is_over = now > self.instance.couriers[courier].off;
        if self.trouble.falls_silent(courier, now) {
            self.keep(courier, now);
        }
        // With everything known and nobody silent, whoever accepts something also gets it before their shift ends.
        let may_be_late = self.options.kitchen == Kitchen::Unknown || !self.trouble.mishaps.is_none();
        if self.trouble.is_given_up(courier, now) || (is_over && may_be_late) {
            let c = &mut self.couriers[courier];
            let mut orders = std::mem::take(&mut c.fixed);
            orders.append(&mut c.queue);
            if !orders.is_empty() {
                self.trouble.taken(courier, &orders);
            }
        }
    }

    /// Under way to a counter, or at it: as far as anybody knows a silent rider still fetches what was planned.
    fn keep(&mut self, courier: usize, now: i64) {
        let c = &mut self.couriers[courier];
        let Some(Site::Restaurant(counter)) = c.site.filter(|_| c.fixed.is_empty()) else { return };
        let route = self.previous.iter().find(|r| number(r.rider.0) == courier);
        let Some(trip) = route.and_then(|r| r.trips.first()).filter(|t| number(t.shop.0) == counter) else { return };
        let orders: Vec<usize> = trip.deliveries.iter().map(|d| number(d.0)).collect();
        if orders.iter().all(|o| self.open.contains(o)) {
            (c.fixed, c.fixed_at) = (orders, now);
        }
    }

    /// When a courier is free, as far as one knows.
    pub(super) fn free_at(&self, courier: usize, now: i64) -> i64 {
        let c = &self.couriers[courier];
        c.free_at - self.trouble.unknown(courier, c.late, now)
    }

    /// Kitchens say how much longer it takes when it should be ready.
    pub(super) fn hear(&mut self, now: i64) {
        if self.options.kitchen == Kitchen::Unknown {
            return;
        }
        for (order, _) in self.trouble.mishaps.announced.iter().filter(|(_, announced)| **announced == now) {
            self.told.to_mut().orders[*order].ready = self.instance.orders[*order].ready;
        }
    }
}
