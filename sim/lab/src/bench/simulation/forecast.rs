//! Forecasts of demand and ready times, learned from the day so far.

use std::collections::BTreeMap;

use pannier_engine::{Cooking, Demand, Forecast, Kitchens, QUANTILES, Ready};

use super::ids::{point, shop_id};
use crate::bench::clock::MINUTE_MS;
use crate::bench::solution::Kitchen;
use pannier_instance::Instance;

/// Number of quantiles that represent the observed preparation times.
const PREPARATION_QUANTILES: usize = 16;

/// The observations of a day so far and the forecasts from them.
pub(super) struct Forecaster {
    kitchen: Kitchen,
    demand: Demand,
    kitchens: Kitchens,
    /// Mean preparation time that each restaurant states, milliseconds.
    stated_ms: Vec<i64>,
    /// Observed preparation times, minutes, sorted.
    preparation_min: Vec<i64>,
    /// Quantiles of the ready times of open orders, milliseconds of the day, as of this minute.
    ready_quantiles: BTreeMap<usize, [i64; QUANTILES]>,
}

impl Forecaster {
    /// At the beginning of a day. `stated_ms` is each restaurant's mean preparation time; empty, it is computed from
    /// the day's orders, in place of a history.
    pub fn new(instance: &Instance, kitchen: Kitchen, stated_ms: &[i64]) -> Self {
        let mut sums = vec![(0, 0); instance.restaurants.len()];
        for order in &instance.orders {
            let sum = &mut sums[order.restaurant];
            *sum = (sum.0 + (order.ready - order.placement) * MINUTE_MS, sum.1 + 1);
        }
        Self {
            kitchen,
            demand: Demand::default(),
            kitchens: Kitchens::default(),
            stated_ms: if stated_ms.is_empty() {
                sums.into_iter().map(|(sum, n)| sum / i64::max(n, 1)).collect()
            } else {
                stated_ms.to_vec()
            },
            preparation_min: Vec::new(),
            ready_quantiles: BTreeMap::new(),
        }
    }

    /// Observes the placement of an order.
    pub fn order_placed(&mut self, instance: &Instance, order: usize, now: i64) {
        let o = &instance.orders[order];
        let place = point(instance.restaurants[o.restaurant].at);
        self.demand.record_order(shop_id(o.restaurant), place, now * MINUTE_MS);
        if self.kitchen == Kitchen::Known {
            self.observe_preparation(o.ready - o.placement);
        }
    }

    fn observe_preparation(&mut self, minutes: i64) {
        let at = self.preparation_min.partition_point(|min| *min < minutes);
        self.preparation_min.insert(at, minutes);
    }

    /// Observes the orders that become ready in this minute and forecasts the ready times of the others. Only with
    /// [`Kitchen::Unknown`].
    pub fn update(&mut self, instance: &Instance, open: &[usize], now: i64) {
        if self.kitchen == Kitchen::Known {
            return;
        }
        let hour = u8::try_from(now / 60 % 24).unwrap_or(0);
        let cooking = |order: &usize| {
            let o = &instance.orders[*order];
            Cooking { stated_ms: self.stated_ms[o.restaurant], elapsed_ms: (now - o.placement) * MINUTE_MS }
        };
        let mut shops: BTreeMap<usize, Vec<(usize, Cooking)>> = BTreeMap::new();
        for order in open.iter().filter(|o| instance.orders[**o].ready > now) {
            shops.entry(instance.orders[*order].restaurant).or_default().push((*order, cooking(order)));
        }
        let done: Vec<(usize, Cooking)> =
            open.iter().filter(|o| instance.orders[**o].ready == now).map(|o| (*o, cooking(o))).collect();
        for (order, cooking) in done {
            let o = &instance.orders[order];
            let others = shops.get(&o.restaurant).into_iter().flatten().map(|(_, c)| *c);
            self.kitchens.observe(shop_id(o.restaurant), now * MINUTE_MS, hour, cooking, others);
            self.observe_preparation(o.ready - o.placement);
        }
        self.ready_quantiles.clear();
        for (restaurant, orders) in shops {
            let all = orders.iter().map(|(_, c)| *c);
            let kitchen = self.kitchens.kitchen(shop_id(restaurant), now * MINUTE_MS, hour, all);
            for (order, cooking) in orders {
                let placed_ms = instance.orders[order].placement * MINUTE_MS;
                let after_placement = kitchen.ready_after(cooking.stated_ms, cooking.elapsed_ms);
                // Rounded to the whole minutes of the library, the next one at the earliest.
                let ready = after_placement.map(|ms| (placed_ms + ms + MINUTE_MS / 2) / MINUTE_MS * MINUTE_MS);
                self.ready_quantiles.insert(order, ready.map(|ms| ms.max((now + 1) * MINUTE_MS)));
            }
        }
    }

    /// When an open order will be ready: its forecast, or else the ready time in `instance`.
    pub fn ready(&self, instance: &Instance, order: usize) -> Ready {
        match self.ready_quantiles.get(&order) {
            Some(moments) => Ready::any_of(moments),
            None => Ready::at(instance.orders[order].ready * MINUTE_MS),
        }
    }

    /// The expected demand per restaurant, and the preparation times observed so far.
    pub fn forecast(&self, now: i64, riders_on_shift: usize) -> Forecast {
        let now_ms = now * MINUTE_MS;
        let quantile = |n: usize| {
            self.preparation_min[(2 * n + 1) * self.preparation_min.len() / (2 * PREPARATION_QUANTILES)] * MINUTE_MS
        };
        Forecast {
            shops: self.demand.shops(now_ms),
            orders_per_minute: self.demand.orders_per_minute(now_ms),
            prep_times_ms: if self.preparation_min.is_empty() {
                Vec::new()
            } else {
                (0..PREPARATION_QUANTILES).map(quantile).collect()
            },
            riders_on_shift: u32::try_from(riders_on_shift).unwrap_or(u32::MAX),
        }
    }
}
