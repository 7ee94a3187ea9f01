//! When will the food be ready? The engine's [`Kitchens`], fed with recent orders.
//!
//! A *statement* is the ready time that a shop states, counted from the opening of the delivery. The first statement is the
//! input of the model: how long a kitchen takes, compared with what it states first. A later statement that is later than
//! the first is a lower bound: the food is not expected before it. One that is earlier replaces the first.
//!
//! That food is *not ready yet* is only known of shops that usually report when it is, and while a rider waits for it. And
//! only for a limited time: an order that takes longer than almost every order before it was probably handed over without
//! a report, and must not be waited for until it is given up.
//!
//! Timers, alarms and what people see follow the shop's statement, not the model.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use pannier_contracts::Lifecycle as _;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::{DeliveryId, MerchantId};
use pannier_engine::{Cooking, Kitchens, QUANTILES, Ready};

use crate::domain::lifecycle::DeliveryLifecycle;
use crate::store::Delivery;
use crate::store::deliveries::OrderHistory;

/// With fewer observed orders in a zone, statements are taken as they are.
const FEWEST_OBSERVED: usize = 20;
/// A minute of people's clocks, in which [`Kitchens`] count, milliseconds.
const MINUTE_MS: i64 = 60_000;

/// How the kitchens of one zone keep their ready times.
#[derive(Debug, Clone, Default)]
pub struct KitchenModel {
    kitchens: Kitchens,
    /// The number of orders whose ready time was observed.
    observed: usize,
    /// The shops that usually report when the food is ready.
    reporting: HashSet<MerchantId>,
    clock: CityClock,
}

/// Converts between people's clocks and the city's, whose minute may be shorter.
#[derive(Debug, Clone, Copy)]
struct CityClock {
    minute_ms: i64,
}

impl Default for CityClock {
    fn default() -> Self {
        Self { minute_ms: MINUTE_MS }
    }
}

impl CityClock {
    const fn to_city(self, ms: i64) -> i64 {
        ms.saturating_mul(MINUTE_MS) / self.minute_ms
    }

    const fn to_real(self, ms: i64) -> i64 {
        ms.saturating_mul(self.minute_ms) / MINUTE_MS
    }

    /// The hour of the city's day, 0 to 23. Its offset from local time does not matter, as long as it is always the same.
    fn hour(self, at: DateTime<Utc>) -> u8 {
        u8::try_from(self.to_city(at.timestamp_millis()) / (60 * MINUTE_MS) % 24).unwrap_or(0)
    }

    fn cooking(self, opened_at: DateTime<Utc>, stated_at: DateTime<Utc>, until: DateTime<Utc>) -> Cooking {
        let since = |at: DateTime<Utc>| self.to_city((at - opened_at).num_milliseconds().max(0));
        Cooking { stated_ms: since(stated_at), elapsed_ms: since(until) }
    }
}

/// When the food of an order was ready, if that is known: the shop reported it, or a rider waited for it for more than a
/// minute of the city.
#[must_use]
pub fn ready_at(o: &OrderHistory, minute_ms: i64) -> Option<DateTime<Utc>> {
    let waited_for = o.at_pickup_at.zip(o.picked_up_at).filter(|(came, left)| *left - *came > delta(minute_ms));
    o.ready_seen_at.or(waited_for.map(|(_, left)| left))
}

/// The ready time of a delivery without a model: as reported, and otherwise as stated.
#[must_use]
pub fn stated_ready(d: &Delivery) -> Ready {
    Ready::at(d.ready_seen_at.unwrap_or(d.ready_at).timestamp_millis())
}

impl KitchenModel {
    /// The model that these orders make, where a minute takes `minute_ms`.
    #[must_use]
    pub fn new(orders: &[OrderHistory], minute_ms: i64) -> Self {
        let mut this = Self { clock: CityClock { minute_ms: minute_ms.max(1) }, ..Self::default() };
        let mut shops: BTreeMap<MerchantId, Vec<&OrderHistory>> = BTreeMap::new();
        for order in orders {
            shops.entry(order.merchant_id).or_default().push(order);
        }
        let mut observed: Vec<(DateTime<Utc>, &OrderHistory)> = Vec::new();
        for (shop, orders) in &shops {
            let picked_up = orders.iter().filter(|o| o.picked_up_at.is_some());
            let (reported, silent): (Vec<&&OrderHistory>, Vec<_>) = picked_up.partition(|o| o.ready_seen_at.is_some());
            if reported.len() > silent.len() {
                this.reporting.insert(*shop);
            }
            for o in orders {
                // Ready before the delivery was opened: how long it took is not known.
                observed.extend(ready_at(o, minute_ms).filter(|at| *at > o.opened_at).map(|at| (at, *o)));
            }
        }
        observed.sort_by_key(|(at, o)| (*at, o.merchant_id, o.opened_at));
        for (at, o) in &observed {
            let in_kitchen = shops.get(&o.merchant_id).into_iter().flatten().filter(|other| {
                let left_at = ready_at(other, minute_ms).or_else(|| left_kitchen_at(other));
                !std::ptr::eq(**other, *o) && other.opened_at < *at && left_at.is_none_or(|left| left > *at)
            });
            let cooking =
                |o: &OrderHistory| this.clock.cooking(o.opened_at, o.stated_ready_at.unwrap_or(o.ready_at), *at);
            let (at_ms, hour) = (this.clock.to_city(at.timestamp_millis()), this.clock.hour(*at));
            let others: Vec<Cooking> = in_kitchen.map(|other| cooking(other)).collect();
            this.kitchens.observe(o.merchant_id, at_ms, hour, cooking(o), others);
        }
        this.observed = observed.len();
        this
    }

    /// When the food of these deliveries will be ready. They must be all that the zone's kitchens have not handed over.
    pub fn ready<'a>(
        &self,
        in_kitchens: impl Iterator<Item = &'a Delivery>,
        now: DateTime<Utc>,
    ) -> HashMap<DeliveryId, Ready> {
        let mut shops: BTreeMap<MerchantId, Vec<(&Delivery, Cooking)>> = BTreeMap::new();
        if self.observed < FEWEST_OBSERVED {
            return HashMap::new();
        }
        for d in in_kitchens.filter(|d| d.ready_seen_at.is_none()) {
            let first = d.stated_ready_at.unwrap_or(d.ready_at);
            let stated_at = first.min(d.ready_at);
            shops.entry(d.merchant_id).or_default().push((d, self.clock.cooking(d.opened_at, stated_at, now)));
        }
        let (now_ms, hour) = (self.clock.to_city(now.timestamp_millis()), self.clock.hour(now));
        let mut ready = HashMap::new();
        for (shop, orders) in shops {
            let kitchen = self.kitchens.kitchen(shop, now_ms, hour, orders.iter().map(|(_, cooking)| *cooking));
            for (d, Cooking { stated_ms, elapsed_ms }) in orders {
                let mut takes = kitchen.ready_after(stated_ms, 0);
                if self.reporting.contains(&shop) || self.is_waited_for(d, now) {
                    let longest_ms = takes[QUANTILES - 1];
                    takes = kitchen.ready_after(stated_ms, elapsed_ms.min(longest_ms));
                }
                let is_postponed = d.stated_ready_at.is_some_and(|first| d.ready_at > first);
                let earliest = if is_postponed { d.ready_at.max(now) } else { now };
                let moments = takes.map(|ms| d.opened_at.timestamp_millis().saturating_add(self.clock.to_real(ms)));
                let moments = moments.map(|at_ms| at_ms.max(earliest.timestamp_millis()));
                ready.insert(d.id, Ready::any_of(&moments));
            }
        }
        ready
    }

    /// Has a rider waited for it at the counter for more than a minute of the city?
    fn is_waited_for(&self, d: &Delivery, now: DateTime<Utc>) -> bool {
        let since = d.at_pickup_at.filter(|_| d.state == DeliveryState::AtPickup);
        since.is_some_and(|at| now - at > delta(self.clock.minute_ms))
    }
}

/// The latest time at which an order left the kitchen; none while it may be there.
fn left_kitchen_at(o: &OrderHistory) -> Option<DateTime<Utc>> {
    o.picked_up_at.or_else(|| DeliveryLifecycle::is_terminal(o.state).then_some(o.state_since))
}

const fn delta(ms: i64) -> TimeDelta {
    TimeDelta::milliseconds(ms)
}
